package io.github.kapacitorwasm.flink;

import java.lang.reflect.Type;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInfoFactory;
import org.apache.flink.api.common.typeinfo.TypeInformation;

/** Finds the type information of a {@link Point} for Flink. */
public final class PointTypeInfoFactory extends TypeInfoFactory<Point> {

  /** Makes a factory, as Flink does. */
  public PointTypeInfoFactory() {}

  @Override
  public TypeInformation<Point> createTypeInfo(
      Type type, Map<String, TypeInformation<?>> parameters) {
    return PointTypeInfo.INSTANCE;
  }
}
