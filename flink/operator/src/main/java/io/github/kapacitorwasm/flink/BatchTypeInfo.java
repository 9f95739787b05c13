package io.github.kapacitorwasm.flink;

/** Tells Flink how to treat a {@link Batch}. */
public final class BatchTypeInfo extends ValueTypeInfo<Batch> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final BatchTypeInfo INSTANCE = new BatchTypeInfo();

  private BatchTypeInfo() {
    super(Batch.class, BatchSerializer.INSTANCE);
  }
}
