package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.client.ReceiveQueue.Received;
import java.io.Closeable;
import java.io.IOException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * Sessions with the functions of one kapacitor-wasm host, over its unix sockets.
 *
 * <p>One thread uses the client and its sessions, and calls their handlers in doing so. A second
 * thread, which the client has, only reads from the sockets. While a session can't be written to,
 * the first one handles what was read: that both directions are full is no deadlock.
 *
 * <pre>{@code
 * try (UdfClient client = new UdfClient(Path.of("/run/kapacitor-wasm"))) {
 *   UdfSession session = client.open("moving_avg", "one", handler);
 *   session.init("task", "node", UdfOptions.none().with("field", "usage_user"));
 *   session.point(bytes, 0, bytes.length);
 *   session.fence(1);
 *   client.await(() -> handler.fenceIsAnswered);
 * }
 * }</pre>
 */
public final class UdfClient implements Closeable {

  /** Interval at which a waiting client looks for hosts that give no sign of life. */
  private static final Duration LOOK = Duration.ofMillis(500);

  /** Pause between two attempts to connect. */
  private static final Duration RETRY = Duration.ofMillis(50);

  private static final String SOCKET = ".sock";

  /** Maximum number of functions that a message names. */
  private static final int MAX_NAMES = 100;

  private final Path socketDir;
  private final UdfClientOptions options;
  private final ReceiveQueue queue;
  private final SocketReader reader;
  private final List<UdfSession> sessions = new ArrayList<>();
  private Queue<Received> handling = new ArrayDeque<>();
  private long blockedNanos;
  private long bytesIn;
  private long bytesOut;

  /**
   * Makes a client with the default options.
   *
   * @param socketDir folder of the host's sockets, its {@code socket-dir}
   * @throws IOException if the system gives no selector
   */
  public UdfClient(Path socketDir) throws IOException {
    this(socketDir, UdfClientOptions.defaults(), () -> {});
  }

  /**
   * Makes a client.
   *
   * @param socketDir folder of the host's sockets, its {@code socket-dir}
   * @param options limits
   * @param received is called by the client's own thread when something was read and nothing else
   *     waits: {@link #receive} should be called soon
   * @throws IOException if the system gives no selector
   */
  public UdfClient(Path socketDir, UdfClientOptions options, Runnable received) throws IOException {
    this.socketDir = socketDir;
    this.options = options;
    this.queue = new ReceiveQueue(options.maxReceivedBytes());
    this.reader = new SocketReader("kapacitor-wasm reader", queue, received);
  }

  /**
   * Asks what a function takes and gives.
   *
   * @param function its name
   * @return its edges and options
   * @throws UdfException if the host can't be reached or does not answer
   * @throws InterruptedException if the thread is interrupted
   */
  public FunctionInfo info(String function) throws UdfException, InterruptedException {
    UdfSession session = open(function, "", (s, bytes, offset, length) -> {});
    try {
      return session.info();
    } finally {
      session.close();
    }
  }

  /**
   * Connects to a function. Next comes {@link UdfSession#init}.
   *
   * @param function its name
   * @param label what messages of exceptions call the session, such as {@code key group 17}; may be
   *     empty
   * @param handler takes what the session sends
   * @return a session
   * @throws UdfException if the host can't be reached within {@code connectTimeout}
   * @throws InterruptedException if the thread is interrupted
   */
  public UdfSession open(String function, String label, UdfHandler handler)
      throws UdfException, InterruptedException {
    SocketChannel channel = connect(function, label);
    try {
      UdfSession session = new UdfSession(this, function, label, handler, channel, options);
      session.registerWith(reader);
      sessions.add(session);
      return session;
    } catch (IOException e) {
      closeQuietly(channel);
      throw new UdfException(function, label, "the socket can't be used", e);
    }
  }

  private SocketChannel connect(String function, String label)
      throws UdfException, InterruptedException {
    Path path = socketDir.resolve(function + SOCKET);
    long begin = System.nanoTime();
    while (true) {
      try {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
        try {
          channel.configureBlocking(false);
          return channel;
        } catch (IOException e) {
          closeQuietly(channel);
          throw e;
        }
      } catch (IOException e) {
        if (System.nanoTime() - begin >= options.connectTimeout().toNanos()) {
          throw new UdfException(function, label, cannotConnect(path, e), e);
        }
        Thread.sleep(RETRY.toMillis());
      }
    }
  }

  private static String cannotConnect(Path path, IOException e) {
    if (!Files.isDirectory(path.getParent())) {
      return "there is no folder "
          + path.getParent()
          + "; is it the host's socket-dir, and is `kapacitor-wasm serve` running?";
    }
    if (e instanceof SocketException && !Files.exists(path)) {
      return "there is no socket "
          + path
          + "; does the host have a plugin or function of this name, and is it running? "
          + functions(path.getParent());
    }
    return "can't connect to "
        + path
        + "; is `kapacitor-wasm serve` running, and may this user write"
        + " to its socket?";
  }

  /** Which functions have a socket in a folder. */
  private static String functions(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(SOCKET))
              .map(name -> name.substring(0, name.length() - SOCKET.length()))
              .sorted()
              .limit(MAX_NAMES)
              .toList();
      return names.isEmpty()
          ? "There is no function in this folder"
          : "The functions in this folder are " + String.join(", ", names);
    } catch (IOException e) {
      return "The folder can't be listed";
    }
  }

  /**
   * Handles what was read, without waiting.
   *
   * @return whether there was anything
   * @throws UdfException if a session has failed, or a handler has thrown
   */
  public boolean receive() throws UdfException {
    boolean any = false;
    while (true) {
      Received next = handling.poll();
      if (next == null) {
        handling = queue.takeAll(handling);
        next = handling.poll();
      }
      if (next == null) {
        return any;
      }
      any = true;
      next.session().handle(next);
    }
  }

  /**
   * Handles what is read, until {@code done}.
   *
   * @param done whether to return; asked after each message that was handled
   * @throws UdfException if a session has failed, a handler has thrown, or a host that has to
   *     answer gives no sign of life for {@code answerTimeout}
   * @throws InterruptedException if the thread is interrupted
   */
  public void await(BooleanSupplier done) throws UdfException, InterruptedException {
    long begin = System.nanoTime();
    receive();
    while (!done.getAsBoolean()) {
      queue.await(LOOK.toNanos());
      if (!receive()) {
        long now = System.nanoTime();
        for (UdfSession session : sessions) {
          session.checkSignOfLife(begin, now);
        }
      }
    }
  }

  /** Waits until {@code session} may be written to, and handles what is read meanwhile. */
  void awaitRoom(UdfSession session) throws UdfException, InterruptedException {
    long begin = System.nanoTime();
    receive();
    reader.watchWritable(session.key());
    queue.await(LOOK.toNanos());
    receive();
    long now = System.nanoTime();
    blockedNanos += now - begin;
  }

  /**
   * Writes what all sessions have buffered.
   *
   * @throws UdfException if a session has failed, or a handler has thrown
   * @throws InterruptedException if the thread is interrupted
   */
  public void flush() throws UdfException, InterruptedException {
    for (UdfSession session : sessions) {
      session.flush();
    }
  }

  /**
   * Returns how long the client has waited for room to write, since a host was slower.
   *
   * @return a time in nanoseconds
   */
  public long blockedNanos() {
    return blockedNanos;
  }

  /**
   * Returns how many bytes were received from all sessions and handled.
   *
   * @return a number of bytes
   */
  public long bytesReceived() {
    return bytesIn;
  }

  /**
   * Returns how many bytes were sent to all sessions.
   *
   * @return a number of bytes
   */
  public long bytesSent() {
    return bytesOut;
  }

  void countReceived(int bytes) {
    bytesIn += bytes;
  }

  void countSent(int bytes) {
    bytesOut += bytes;
  }

  void remove(UdfSession session) {
    sessions.remove(session);
  }

  /** Closes all sessions, without waiting for their results. */
  @Override
  public void close() throws IOException {
    for (UdfSession session : List.copyOf(sessions)) {
      session.close();
    }
    reader.close();
  }

  static void closeQuietly(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      // There is nothing to do about it, and nobody to tell.
    }
  }
}
