package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.client.ReceiveQueue.Received;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;

/** The one thread that reads from the sockets of all sessions of a client. */
final class SocketReader {

  /** Size of one read, in bytes. */
  private static final int READ = 64 << 10;

  private final Selector selector;
  private final ReceiveQueue queue;
  private final Runnable received;
  private final Thread thread;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(READ);
  private volatile boolean closed;

  /** Starts the thread. It calls {@code received} when something has come into an empty queue. */
  SocketReader(String name, ReceiveQueue queue, Runnable received) throws IOException {
    this.selector = Selector.open();
    this.queue = queue;
    this.received = received;
    this.thread = new Thread(this::run, name);
    thread.setDaemon(true);
    thread.start();
  }

  /** Reads from {@code channel} from now on. */
  SelectionKey register(SocketChannel channel, UdfSession session) throws ClosedChannelException {
    SelectionKey key = channel.register(selector, SelectionKey.OP_READ, session);
    selector.wakeup();
    return key;
  }

  /** Signals the queue once {@code key}'s channel can be written to. */
  void watchWritable(SelectionKey key) {
    key.interestOpsOr(SelectionKey.OP_WRITE);
    selector.wakeup();
  }

  /** Ends the thread. The channels are not closed. */
  void close() throws IOException {
    closed = true;
    queue.close();
    selector.close();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try {
      while (!closed) {
        selector.select(this::serve);
      }
    } catch (ClosedSelectorException e) {
      // The client was closed.
    } catch (IOException | RuntimeException e) {
      failAll(e);
    }
  }

  private void serve(SelectionKey key) {
    UdfSession session = (UdfSession) key.attachment();
    try {
      if (key.isWritable()) {
        key.interestOpsAnd(~SelectionKey.OP_WRITE);
        queue.signal();
      }
      if (key.isReadable()) {
        read(key, session);
      }
    } catch (CancelledKeyException e) {
      // The session was closed meanwhile.
    } catch (InterruptedException e) {
      closed = true;
    }
  }

  private void read(SelectionKey key, UdfSession session) throws InterruptedException {
    Frames frames;
    try {
      buffer.clear();
      int count = ((SocketChannel) key.channel()).read(buffer);
      if (count < 0) {
        key.cancel();
        put(Received.end(session, null));
        return;
      }
      session.noteSignOfLife();
      frames = session.cutter().cut(buffer.flip());
    } catch (IOException | RuntimeException e) {
      key.cancel();
      put(Received.end(session, e));
      return;
    }
    if (frames != null) {
      put(Received.frames(session, frames));
      session.noteSignOfLife();
    }
  }

  private void put(Received item) throws InterruptedException {
    if (queue.put(item)) {
      received.run();
    }
  }

  /** The selector itself fails: nothing can be read any more. */
  private void failAll(Exception e) {
    Exception failure = e instanceof UncheckedIOException unchecked ? unchecked.getCause() : e;
    try {
      for (SelectionKey key : selector.keys()) {
        put(Received.end((UdfSession) key.attachment(), failure));
      }
    } catch (ClosedSelectorException ignored) {
      // The client was closed.
    } catch (InterruptedException ignored) {
      closed = true;
    }
  }
}
