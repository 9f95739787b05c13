package io.github.kapacitorwasm.flink;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes a {@link Point} as the number of its bytes (4 bytes) and these. */
public final class PointSerializer extends TypeSerializerSingleton<Point> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final PointSerializer INSTANCE = new PointSerializer();

  /** Makes a serializer, as Flink does when it restores one. */
  public PointSerializer() {}

  @Override
  public boolean isImmutableType() {
    return true;
  }

  @Override
  public Point createInstance() {
    return Point.of(new byte[0]);
  }

  @Override
  public Point copy(Point from) {
    return from;
  }

  @Override
  public Point copy(Point from, Point reuse) {
    return from;
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public void serialize(Point point, DataOutputView target) throws IOException {
    byte[] bytes = point.bytes();
    target.writeInt(bytes.length);
    target.write(bytes);
  }

  @Override
  public Point deserialize(DataInputView source) throws IOException {
    byte[] bytes = new byte[source.readInt()];
    source.readFully(bytes);
    return Point.of(bytes);
  }

  @Override
  public Point deserialize(Point reuse, DataInputView source) throws IOException {
    return deserialize(source);
  }

  @Override
  public void copy(DataInputView source, DataOutputView target) throws IOException {
    int length = source.readInt();
    target.writeInt(length);
    target.write(source, length);
  }

  @Override
  public TypeSerializerSnapshot<Point> snapshotConfiguration() {
    return new PointSerializerSnapshot();
  }

  /** Says in a savepoint that its points were written by this serializer. */
  public static final class PointSerializerSnapshot extends SimpleTypeSerializerSnapshot<Point> {

    /** Makes the snapshot, as Flink does when it reads a savepoint. */
    public PointSerializerSnapshot() {
      super(() -> INSTANCE);
    }
  }
}
