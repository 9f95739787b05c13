package io.github.kapacitorwasm.flink;

import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** Tells Flink how to treat a {@link Point}. */
public final class PointTypeInfo extends TypeInformation<Point> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final PointTypeInfo INSTANCE = new PointTypeInfo();

  private PointTypeInfo() {}

  @Override
  public boolean isBasicType() {
    return false;
  }

  @Override
  public boolean isTupleType() {
    return false;
  }

  @Override
  public int getArity() {
    return 1;
  }

  @Override
  public int getTotalFields() {
    return 1;
  }

  @Override
  public Class<Point> getTypeClass() {
    return Point.class;
  }

  @Override
  public boolean isKeyType() {
    return false;
  }

  @Override
  public TypeSerializer<Point> createSerializer(SerializerConfig config) {
    return PointSerializer.INSTANCE;
  }

  /**
   * Returns the serializer to a Flink before 2.0, which asks for it in this way.
   *
   * @param config is not looked at
   * @return the serializer
   */
  @SuppressWarnings({"deprecation", "MissingOverride"})
  public TypeSerializer<Point> createSerializer(ExecutionConfig config) {
    return PointSerializer.INSTANCE;
  }

  @Override
  public String toString() {
    return "Point";
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PointTypeInfo;
  }

  @Override
  public int hashCode() {
    return PointTypeInfo.class.hashCode();
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof PointTypeInfo;
  }
}
