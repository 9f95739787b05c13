package io.github.kapacitorwasm.flink;

import io.github.kapacitorwasm.client.SnapshotHeader;
import java.io.DataInput;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/**
 * The state of one key group, as it stands in a checkpoint: one byte, the version of the format
 * (1); the name of the function, as {@link java.io.DataOutput#writeUTF} writes it; the number of
 * bytes of the snapshot, in 4 bytes; and the snapshot, which the host can read by itself.
 */
final class KeyGroupState {

  private static final int FORMAT = 1;

  private final byte[] snapshot;
  private final SnapshotHeader header;

  /** Takes a snapshot of the host, and reads its header. */
  KeyGroupState(byte[] snapshot) throws IOException {
    this.snapshot = snapshot;
    this.header = SnapshotHeader.read(snapshot);
  }

  byte[] snapshot() {
    return snapshot;
  }

  SnapshotHeader header() {
    return header;
  }

  void write(String function, OutputStream target) throws IOException {
    DataOutputStream output = new DataOutputStream(target);
    output.writeByte(FORMAT);
    output.writeUTF(function);
    output.writeInt(snapshot.length);
    output.write(snapshot);
    output.flush();
  }

  /**
   * Reads what {@link #write} wrote; null if there is nothing. Memory is taken for what is there,
   * not for what its length says.
   */
  static KeyGroupState read(String function, int keyGroup, InputStream source) throws IOException {
    int format = source.read();
    if (format < 0) {
      return null;
    }
    if (format != FORMAT) {
      throw new IOException(
          "the state of key group %d of %s has the format %d, and this version knows %d: use the version of kapacitor-wasm-flink that has written it, or a newer one"
              .formatted(keyGroup, function, format, FORMAT));
    }
    DataInput input = new DataInputStream(source);
    String writer = input.readUTF();
    if (!writer.equals(function)) {
      throw new IOException(
          "the state of key group %d is that of the function %s, and the function %s can't take it: give the call another `node` in job.toml (in Java, each operator a `uid` of its own), or start without the savepoint"
              .formatted(keyGroup, writer, function));
    }
    int length = input.readInt();
    byte[] snapshot = length < 0 ? new byte[0] : source.readNBytes(length);
    if (snapshot.length != length) {
      throw new IOException(
          "the state of key group %d of %s is cut off: %d bytes of %d"
              .formatted(keyGroup, function, snapshot.length, length));
    }
    return new KeyGroupState(snapshot);
  }
}
