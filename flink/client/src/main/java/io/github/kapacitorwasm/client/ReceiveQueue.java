package io.github.kapacitorwasm.client;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What the reading thread has read, for the thread of the client. Its size is bounded: {@link #put}
 * waits, and so does the host then.
 */
final class ReceiveQueue {

  /** Frames of a session, or why no more come from it. */
  static final class Received {

    private final UdfSession session;
    private final Frames frames;
    private final Exception failure;

    private Received(UdfSession session, Frames frames, Exception failure) {
      this.session = session;
      this.frames = frames;
      this.failure = failure;
    }

    /** Whole frames. */
    static Received frames(UdfSession session, Frames frames) {
      return new Received(session, frames, null);
    }

    /** The end of a session; {@code failure} is null if the host has closed the connection. */
    static Received end(UdfSession session, Exception failure) {
      return new Received(session, null, failure);
    }

    UdfSession session() {
      return session;
    }

    /** Whole frames; null at the end. */
    Frames frames() {
      return frames;
    }

    Exception failure() {
      return failure;
    }
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final Condition room = lock.newCondition();
  private final int maxBytes;
  private Queue<Received> items = new ArrayDeque<>();
  private long bytes;
  private boolean signalled;
  private boolean closed;

  ReceiveQueue(int maxBytes) {
    this.maxBytes = maxBytes;
  }

  /** Appends {@code received}; waits while the queue is full. Returns whether it was empty. */
  boolean put(Received received) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (bytes >= maxBytes && !closed) {
        room.await();
      }
      boolean wasEmpty = items.isEmpty();
      items.add(received);
      bytes += received.frames() == null ? 0 : received.frames().length();
      arrived.signal();
      return wasEmpty;
    } finally {
      lock.unlock();
    }
  }

  /** Takes all that there is, and gives {@code empty} in its place. */
  Queue<Received> takeAll(Queue<Received> empty) {
    lock.lock();
    try {
      Queue<Received> all = items;
      items = empty;
      bytes = 0;
      signalled = false;
      room.signal();
      return all;
    } finally {
      lock.unlock();
    }
  }

  /** Makes {@link #await} return: a session that was full can be written to. */
  void signal() {
    lock.lock();
    try {
      signalled = true;
      arrived.signal();
    } finally {
      lock.unlock();
    }
  }

  /** Waits until something has arrived, or {@link #signal} was called, or the time is over. */
  void await(long nanoseconds) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long left = nanoseconds;
      while (items.isEmpty() && !signalled && left > 0) {
        left = arrived.awaitNanos(left);
      }
      signalled = false;
    } finally {
      lock.unlock();
    }
  }

  /** Makes {@link #put} wait no more. */
  void close() {
    lock.lock();
    try {
      closed = true;
      room.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
