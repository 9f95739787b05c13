package io.github.kapacitorwasm.flink;

/** Tells Flink how to treat a {@link Point}. */
public final class PointTypeInfo extends ValueTypeInfo<Point> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final PointTypeInfo INSTANCE = new PointTypeInfo();

  private PointTypeInfo() {
    super(Point.class, PointSerializer.INSTANCE);
  }
}
