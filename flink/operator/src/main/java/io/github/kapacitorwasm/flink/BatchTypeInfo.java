package io.github.kapacitorwasm.flink;

import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** Tells Flink how to treat a {@link Batch}. */
public final class BatchTypeInfo extends TypeInformation<Batch> {

  private static final long serialVersionUID = 1L;

  /** The only instance that is needed. */
  public static final BatchTypeInfo INSTANCE = new BatchTypeInfo();

  private BatchTypeInfo() {}

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
  public Class<Batch> getTypeClass() {
    return Batch.class;
  }

  @Override
  public boolean isKeyType() {
    return false;
  }

  @Override
  public TypeSerializer<Batch> createSerializer(SerializerConfig config) {
    return BatchSerializer.INSTANCE;
  }

  /**
   * Returns the serializer to a Flink before 2.0, which asks for it in this way.
   *
   * @param config is not looked at
   * @return the serializer
   */
  @SuppressWarnings({"deprecation", "MissingOverride"})
  public TypeSerializer<Batch> createSerializer(ExecutionConfig config) {
    return BatchSerializer.INSTANCE;
  }

  @Override
  public String toString() {
    return "Batch";
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof BatchTypeInfo;
  }

  @Override
  public int hashCode() {
    return BatchTypeInfo.class.hashCode();
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof BatchTypeInfo;
  }
}
