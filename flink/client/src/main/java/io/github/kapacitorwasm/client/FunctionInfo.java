package io.github.kapacitorwasm.client;

import io.github.kapacitorwasm.wire.WireException;
import io.github.kapacitorwasm.wire.WireReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a function takes and gives.
 *
 * @param wants what it takes
 * @param provides what it gives
 * @param options its options by name, with the types of their arguments; a flag has none
 */
public record FunctionInfo(
    EdgeType wants, EdgeType provides, Map<String, List<ValueType>> options) {

  /**
   * Keeps a sorted copy of the options.
   *
   * @param wants what it takes
   * @param provides what it gives
   * @param options its options by name
   */
  public FunctionInfo {
    options = Collections.unmodifiableMap(new TreeMap<>(options));
  }

  static FunctionInfo read(WireReader reader) throws WireException {
    EdgeType wants = EdgeType.STREAM;
    EdgeType provides = EdgeType.STREAM;
    Map<String, List<ValueType>> options = new TreeMap<>();
    while (reader.next()) {
      switch (reader.field()) {
        case 1 -> wants = constant(EdgeType.values(), reader.varint());
        case 2 -> provides = constant(EdgeType.values(), reader.varint());
        case 3 -> readOption(reader.message(), options);
        default -> {}
      }
    }
    return new FunctionInfo(wants, provides, options);
  }

  private static void readOption(WireReader entry, Map<String, List<ValueType>> options)
      throws WireException {
    String name = "";
    List<ValueType> types = new ArrayList<>();
    while (entry.next()) {
      switch (entry.field()) {
        case 1 -> name = entry.string();
        case 2 -> readTypes(entry.message(), types);
        default -> {}
      }
    }
    options.put(name, Collections.unmodifiableList(types));
  }

  /** Numbers of a repeated field are packed into one field, or come one by one. */
  private static void readTypes(WireReader info, List<ValueType> types) throws WireException {
    while (info.next()) {
      if (info.field() == 1) {
        for (long number : info.numbers()) {
          types.add(constant(ValueType.values(), number));
        }
      }
    }
  }

  private static <T> T constant(T[] values, long number) throws WireException {
    if (number < 0 || number >= values.length) {
      throw new WireException("there is no " + values[0].getClass().getSimpleName() + " " + number);
    }
    return values[(int) number];
  }
}
