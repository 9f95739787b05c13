package io.github.kapacitorwasm.flink;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes a {@link Batch} as its group, its end, the number of its points (4 bytes) and these. */
public final class BatchSerializer extends TypeSerializerSingleton<Batch> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final BatchSerializer INSTANCE = new BatchSerializer();

  /** Makes a serializer, as Flink does when it restores one. */
  public BatchSerializer() {}

  @Override
  public boolean isImmutableType() {
    return true;
  }

  @Override
  public Batch createInstance() {
    return Batch.of("", 0, List.of());
  }

  @Override
  public Batch copy(Batch from) {
    return from;
  }

  @Override
  public Batch copy(Batch from, Batch reuse) {
    return from;
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public void serialize(Batch batch, DataOutputView target) throws IOException {
    StringSerializer.INSTANCE.serialize(batch.group(), target);
    target.writeLong(batch.tmaxNanos());
    target.writeInt(batch.points().size());
    for (Point point : batch.points()) {
      PointSerializer.INSTANCE.serialize(point, target);
    }
  }

  @Override
  public Batch deserialize(DataInputView source) throws IOException {
    String group = StringSerializer.INSTANCE.deserialize(source);
    long tmax = source.readLong();
    List<Point> points = new ArrayList<>();
    for (int left = source.readInt(); left > 0; left--) {
      points.add(PointSerializer.INSTANCE.deserialize(source));
    }
    return Batch.of(group, tmax, points);
  }

  @Override
  public Batch deserialize(Batch reuse, DataInputView source) throws IOException {
    return deserialize(source);
  }

  @Override
  public void copy(DataInputView source, DataOutputView target) throws IOException {
    serialize(deserialize(source), target);
  }

  @Override
  public TypeSerializerSnapshot<Batch> snapshotConfiguration() {
    return new BatchSerializerSnapshot();
  }

  /** Says in a savepoint that its batches were written by this serializer. */
  public static final class BatchSerializerSnapshot extends SimpleTypeSerializerSnapshot<Batch> {

    /** Makes the snapshot, as Flink does when it reads a savepoint. */
    public BatchSerializerSnapshot() {
      super(() -> INSTANCE);
    }
  }
}
