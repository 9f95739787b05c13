package io.github.kapacitorwasm.flink;

import java.lang.reflect.Type;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInfoFactory;
import org.apache.flink.api.common.typeinfo.TypeInformation;

/** Finds the type information of a {@link Batch} for Flink. */
public final class BatchTypeInfoFactory extends TypeInfoFactory<Batch> {

  /** Makes a factory, as Flink does. */
  public BatchTypeInfoFactory() {}

  @Override
  public TypeInformation<Batch> createTypeInfo(
      Type type, Map<String, TypeInformation<?>> parameters) {
    return BatchTypeInfo.INSTANCE;
  }
}
