package io.github.kapacitorwasm.client;

import java.io.Closeable;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** A socket that behaves as no real host does. */
final class ScriptedHost implements Closeable {

  /** What a host does with one connection. */
  interface Script {
    void run(SocketChannel channel) throws IOException;
  }

  private final Path folder;
  private final ServerSocketChannel server;

  ScriptedHost(Script script) throws IOException {
    folder = Files.createTempDirectory("kw-");
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(folder.resolve("f.sock")));
    Thread thread = new Thread(() -> serve(script), "scripted host");
    thread.setDaemon(true);
    thread.start();
  }

  private void serve(Script script) {
    while (true) {
      try (SocketChannel channel = server.accept()) {
        script.run(channel);
      } catch (IOException e) {
        if (!server.isOpen()) {
          return;
        }
      }
    }
  }

  /** Reads until something has come. */
  static void readSome(SocketChannel channel) throws IOException {
    if (channel.read(ByteBuffer.allocate(1 << 16)) < 0) {
      throw new IOException("the client has gone");
    }
  }

  static void write(SocketChannel channel, int... bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes.length);
    for (int b : bytes) {
      buffer.put((byte) b);
    }
    buffer.flip();
    while (buffer.hasRemaining()) {
      if (channel.write(buffer) < 0) {
        throw new IOException("the client has gone");
      }
    }
  }

  Path socketDir() {
    return folder;
  }

  @Override
  public void close() throws IOException {
    server.close();
    Files.deleteIfExists(folder.resolve("f.sock"));
    Files.deleteIfExists(folder);
  }
}
