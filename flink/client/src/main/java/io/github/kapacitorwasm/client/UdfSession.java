package io.github.kapacitorwasm.client;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.github.kapacitorwasm.client.ReceiveQueue.Received;
import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import io.github.kapacitorwasm.wire.WireWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;

/**
 * One connection to a function: after {@link #init}, one sandbox with a state of its own. Points go
 * in and come out in order. Made by {@link UdfClient#open}, and used by the same thread.
 */
public final class UdfSession implements AutoCloseable {

  /** How long the last words of a host are waited for, when its connection can't be written to. */
  private static final Duration LAST_WORDS = Duration.ofSeconds(1);

  private static final byte[] EMPTY = {};

  private static final String NO_REASON = "it gives no reason";

  private final UdfClient client;
  private final String function;
  private final String label;
  private final UdfHandler handler;
  private final SocketChannel channel;
  private final UdfClientOptions options;
  private final FrameCutter cutter;
  private final OutputBuffer output;

  /** Requests that have no answer yet, the oldest first. */
  private final ArrayDeque<Integer> unanswered = new ArrayDeque<>();

  private SelectionKey key;
  private FunctionInfo info;
  private boolean needsClientState;
  private long pointsSent;
  private boolean isFinishing;

  /** Whether the host has said that all output has come. */
  private boolean isComplete;

  private boolean hasEnded;
  private boolean isBlocked;
  private volatile long lastSign = System.nanoTime();

  UdfSession(
      UdfClient client,
      String function,
      String label,
      UdfHandler handler,
      SocketChannel channel,
      UdfClientOptions options) {
    this.client = client;
    this.function = function;
    this.label = label;
    this.handler = handler;
    this.channel = channel;
    this.options = options;
    this.cutter = new FrameCutter(options.maxMessageBytes());
    this.output = new OutputBuffer(options.flushBytes());
  }

  void registerWith(SocketReader reader) throws ClosedChannelException {
    key = reader.register(channel, this);
  }

  SelectionKey key() {
    return key;
  }

  FrameCutter cutter() {
    return cutter;
  }

  void noteSignOfLife() {
    lastSign = System.nanoTime();
  }

  // What is sent.

  /**
   * Asks what the function takes and gives; only on a connection of its own.
   *
   * @return its edges and options
   * @throws UdfException if the host does not answer
   * @throws InterruptedException if the thread is interrupted
   */
  FunctionInfo info() throws UdfException, InterruptedException {
    request(Message.INFO, EMPTY);
    await(Message.INFO);
    return info;
  }

  /**
   * Starts a sandbox whose state belongs to the client alone: the host keeps no checkpoint of it,
   * and a restore that does not fit is refused.
   *
   * @param task Kapacitor's id of the task; the host's log and metrics have it
   * @param node Kapacitor's id of the node within the task
   * @param udfOptions options of the function
   * @throws UdfException if the host refuses, with its reason
   * @throws InterruptedException if the thread is interrupted
   */
  public void init(String task, String node, UdfOptions udfOptions)
      throws UdfException, InterruptedException {
    init(task, node, udfOptions, true);
  }

  /**
   * Starts a sandbox.
   *
   * @param task Kapacitor's id of the task; the host's log and metrics have it
   * @param node Kapacitor's id of the node within the task
   * @param udfOptions options of the function
   * @param stateIsClients whether the state belongs to the client alone. Otherwise the host treats
   *     the session as one of Kapacitor, and may keep checkpoints of its own
   * @throws UdfException if the host refuses, with its reason
   * @throws InterruptedException if the thread is interrupted
   */
  public void init(String task, String node, UdfOptions udfOptions, boolean stateIsClients)
      throws UdfException, InterruptedException {
    sendInit(task, node, udfOptions, stateIsClients);
    await(Message.INIT);
  }

  /**
   * Starts a sandbox as {@link #init(String, String, UdfOptions, boolean)} does, and does not wait
   * for the answer: a refusal is thrown by whichever method receives it.
   *
   * @param task Kapacitor's id of the task; the host's log and metrics have it
   * @param node Kapacitor's id of the node within the task
   * @param udfOptions options of the function
   * @param stateIsClients whether the state belongs to the client alone
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void sendInit(String task, String node, UdfOptions udfOptions, boolean stateIsClients)
      throws UdfException, InterruptedException {
    WireWriter init = new WireWriter();
    udfOptions.writeTo(init);
    init.string(2, task).string(3, node);
    if (stateIsClients) {
      init.bool(Message.INIT_CLIENT_STATE, true);
    }
    needsClientState = stateIsClients;
    request(Message.INIT, init.toBytes());
  }

  /**
   * Gives a state to a sandbox that has had no point.
   *
   * @param snapshot what {@link UdfHandler#snapshot} got
   * @throws UdfException if it does not fit plugin and options, with the host's reason
   * @throws InterruptedException if the thread is interrupted
   */
  public void restore(byte[] snapshot) throws UdfException, InterruptedException {
    sendRestore(snapshot);
    await(Message.RESTORE);
  }

  /**
   * Gives a state as {@link #restore} does, and does not wait for the answer: a refusal is thrown
   * by whichever method receives it.
   *
   * @param snapshot what {@link UdfHandler#snapshot} got
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void sendRestore(byte[] snapshot) throws UdfException, InterruptedException {
    request(Message.RESTORE, new WireWriter().bytes(1, snapshot).toBytes());
  }

  /**
   * Sends a point, of a stream or of the open batch. It may wait in a buffer until {@link #flush}.
   *
   * @param bytes have the message, a {@code Point}
   * @param offset where it begins
   * @param length how many bytes it has
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void point(byte[] bytes, int offset, int length)
      throws UdfException, InterruptedException {
    pointsSent++;
    data(Message.POINT, bytes, offset, length);
  }

  /**
   * Sends the begin of a batch.
   *
   * @param beginBatch the message, a {@code BeginBatch}
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void begin(byte[] beginBatch) throws UdfException, InterruptedException {
    data(Message.BEGIN, beginBatch, 0, beginBatch.length);
  }

  /**
   * Sends the end of a batch.
   *
   * @param endBatch the message, an {@code EndBatch}
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void end(byte[] endBatch) throws UdfException, InterruptedException {
    data(Message.END, endBatch, 0, endBatch.length);
  }

  private void data(int number, byte[] bytes, int offset, int length)
      throws UdfException, InterruptedException {
    output.frame(number, bytes, offset, length);
    if (output.isFull()) {
      flush();
    }
  }

  /**
   * Asks for the state of exactly the points before; the handler gets the answer. Writes what is
   * buffered.
   *
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void snapshot() throws UdfException, InterruptedException {
    request(Message.SNAPSHOT, EMPTY);
  }

  /**
   * Asks for a word when all results of the points before have been sent; the handler gets the
   * answer. Writes what is buffered.
   *
   * @param id is in the answer
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void fence(long id) throws UdfException, InterruptedException {
    request(Message.FENCE, new WireWriter().varint(1, id).toBytes());
  }

  /**
   * Asks as {@link #fence} does, and lets the request wait in the buffer like a point. The host
   * closes the connection when more than 256 requests wait for their answers.
   *
   * @param id is in the answer
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void fenceWithoutFlush(long id) throws UdfException, InterruptedException {
    byte[] message = new WireWriter().varint(1, id).toBytes();
    unanswered.add(Message.FENCE);
    data(Message.FENCE, message, 0, message.length);
  }

  private void request(int number, byte[] message) throws UdfException, InterruptedException {
    output.frame(number, message, 0, message.length);
    unanswered.add(number);
    flush();
  }

  /**
   * Writes what is buffered. While the host does not read, this handles what is read from all
   * sessions of the client.
   *
   * @throws UdfException if the session has failed
   * @throws InterruptedException if the thread is interrupted
   */
  public void flush() throws UdfException, InterruptedException {
    if (output.isEmpty()) {
      return;
    }
    ByteBuffer content = output.content();
    client.countSent(content.remaining());
    long begin = System.nanoTime();
    isBlocked = true;
    try {
      while (content.hasRemaining()) {
        if (channel.write(content) == 0) {
          client.awaitRoom(this);
          checkSignOfLife(begin, System.nanoTime());
        }
      }
    } catch (IOException e) {
      if (e instanceof UdfException failure) {
        throw failure;
      }
      throw lastWords(e);
    } finally {
      isBlocked = false;
    }
    output.clear();
  }

  /** The host has gone: what it has sent before may say why. */
  private UdfException lastWords(IOException e) throws InterruptedException {
    long begin = System.nanoTime();
    try {
      client.await(() -> hasEnded || System.nanoTime() - begin > LAST_WORDS.toNanos());
    } catch (UdfException reason) {
      return reason;
    }
    return failure("the connection to the host is lost", e);
  }

  /**
   * Ends the input, and handles what the plugin still sends. The host gives up after its {@code
   * sessions.drain-deadline}; a fence before this keeps the plugin's work from counting there.
   *
   * @throws UdfException if the session has failed, or the host has not said that this was all
   * @throws InterruptedException if the thread is interrupted
   */
  public void finish() throws UdfException, InterruptedException {
    request(Message.FENCE, new WireWriter().bool(Message.FENCE_AT_END, true).toBytes());
    isFinishing = true;
    try {
      channel.shutdownOutput();
    } catch (IOException e) {
      throw lastWords(e);
    }
    client.await(() -> hasEnded);
    close();
  }

  /** Closes the connection. What has not come is lost. */
  @Override
  public void close() {
    client.remove(this);
    hasEnded = true;
    unanswered.clear();
    UdfClient.closeQuietly(channel);
  }

  // What is received.

  private void await(int number) throws UdfException, InterruptedException {
    client.await(() -> !unanswered.contains(number));
  }

  void handle(Received received) throws UdfException {
    if (hasEnded) {
      return;
    }
    if (received.frames() == null) {
      ended(received.failure());
      return;
    }
    client.countReceived(received.frames().length());
    try {
      frames(received.frames());
    } catch (UdfException e) {
      throw e;
    } catch (WireException e) {
      throw failure("the host sends what is no answer", e);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw failure("its results can't be passed on", e);
    }
  }

  private void ended(Exception reason) throws UdfException {
    hasEnded = true;
    if (reason != null) {
      throw failure("the connection to the host is lost", reason);
    }
    if (cutter.isWithinFrame()) {
      throw failure("the host has closed the connection within a message");
    }
    if (!isFinishing) {
      throw failure("the host has closed the connection; its log says why, unless it was stopped");
    }
    if (!isComplete) {
      throw failure(
          "the host has closed the connection before all results had come that the plugin sends at"
              + " the end of its input; its log says why, unless it was stopped");
    }
  }

  private void frames(Frames received) throws Exception {
    byte[] frames = received.bytes();
    int length = received.length();
    int at = 0;
    while (at < length) {
      int size = 0;
      int shift = 0;
      byte b;
      do {
        b = frames[at++];
        size |= (b & 0x7F) << shift;
        shift += 7;
      } while (b < 0);
      response(frames, at, size);
      at += size;
    }
  }

  private void response(byte[] frames, int offset, int size) throws Exception {
    WireReader reader = new WireReader(frames, offset, size);
    if (!reader.next()) {
      throw new WireException("a response is empty");
    }
    int start = reader.valueOffset();
    int length = reader.valueLength();
    switch (reader.field()) {
      case Message.POINT -> handler.point(this, frames, start, length);
      case Message.BEGIN -> handler.begin(this, frames, start, length);
      case Message.END -> handler.end(this, frames, start, length);
      case Message.KEEPALIVE -> {}
      case Message.ERROR ->
          throw failure("the host has ended it: " + new String(bytes(reader.message()), UTF_8));
      default -> answer(reader.field(), reader.message());
    }
  }

  private void answer(int number, WireReader message) throws Exception {
    Integer expected = unanswered.peek();
    if (expected == null || expected != number) {
      throw new WireException(
          "there is an answer to "
              + Message.name(number)
              + ", and "
              + (expected == null ? "nothing was asked" : Message.name(expected) + " was asked"));
    }
    unanswered.remove();
    switch (number) {
      case Message.INFO -> info = FunctionInfo.read(message);
      case Message.INIT -> init(message);
      case Message.RESTORE -> restored(message);
      case Message.SNAPSHOT -> snapshot(message);
      case Message.FENCE -> fence(message);
      default -> throw new WireException("nothing is known of " + Message.name(number));
    }
  }

  private void fence(WireReader message) throws Exception {
    long id = 0;
    long pointsAnswered = 0;
    long pointsSkipped = 0;
    while (message.next()) {
      switch (message.field()) {
        case 1 -> id = message.varint();
        case 2 -> pointsAnswered = message.varint();
        case 3 -> pointsSkipped = message.varint();
        case Message.FENCE_WAS_AT_END -> isComplete = message.varint() != 0;
        default -> {}
      }
    }
    if (isFinishing && unanswered.isEmpty()) {
      // The one that finish has asked for.
      return;
    }
    handler.fence(this, id, pointsAnswered, pointsSkipped);
  }

  private void snapshot(WireReader message) throws Exception {
    byte[] bytes = EMPTY;
    String error = "its log says why";
    while (message.next()) {
      switch (message.field()) {
        case 1 -> bytes = message.bytes();
        case Message.SNAPSHOT_ERROR -> error = message.string();
        default -> {}
      }
    }
    if (bytes.length == 0) {
      throw failure("the host gives no snapshot: " + error);
    }
    handler.snapshot(this, bytes);
  }

  private static byte[] bytes(WireReader message) throws WireException {
    byte[] bytes = EMPTY;
    while (message.next()) {
      if (message.field() == 1) {
        bytes = message.bytes();
      }
    }
    return bytes;
  }

  private void init(WireReader message) throws IOException {
    boolean success = false;
    boolean leavesState = false;
    String error = NO_REASON;
    while (message.next()) {
      switch (message.field()) {
        case 1 -> success = message.varint() != 0;
        case 2 -> error = message.string();
        case Message.INIT_CLIENT_STATE -> leavesState = message.varint() != 0;
        default -> {}
      }
    }
    if (!success) {
      throw failure("the host refuses to start it: " + error);
    }
    if (needsClientState && !leavesState) {
      throw failure(
          "the host is too old to leave the state to its client; use the version of kapacitor-wasm"
              + " that this library belongs to, or a newer one");
    }
  }

  private void restored(WireReader message) throws IOException {
    boolean success = false;
    String error = NO_REASON;
    while (message.next()) {
      switch (message.field()) {
        case 1 -> success = message.varint() != 0;
        case 2 -> error = message.string();
        default -> {}
      }
    }
    if (!success) {
      throw failure("the host can't restore its state: " + error);
    }
  }

  /** Fails if the host owes something, and has been silent for too long since {@code begin}. */
  void checkSignOfLife(long begin, long now) throws UdfException {
    if (!isBlocked && unanswered.isEmpty() && !isFinishing) {
      return;
    }
    long silent = Math.min(now - lastSign, now - begin);
    if (silent > options.answerTimeout().toNanos()) {
      String owed =
          unanswered.isEmpty()
              ? "reads nothing"
              : "does not answer " + Message.name(unanswered.peek());
      throw failure(
          "the host "
              + owed
              + ", and has given no sign of life for "
              + options.answerTimeout().toSeconds()
              + " s (answerTimeout)");
    }
  }

  // What the client knows.

  /**
   * Returns how many points were given to {@link #point}.
   *
   * @return a number of points since the session was opened
   */
  public long pointsSent() {
    return pointsSent;
  }

  /**
   * Returns whether the session waits for answers.
   *
   * @return whether a request has no answer yet
   */
  public boolean isAwaitingAnswer() {
    return !unanswered.isEmpty();
  }

  /**
   * Returns what exceptions call the session.
   *
   * @return the label that it was opened with
   */
  public String label() {
    return label;
  }

  /**
   * Makes an exception that names the function and this session.
   *
   * @param message what is wrong, and what to do
   * @return an exception, not thrown
   */
  public UdfException failure(String message) {
    return failure(message, null);
  }

  private UdfException failure(String message, Throwable cause) {
    return new UdfException(function, label, message, cause);
  }
}
