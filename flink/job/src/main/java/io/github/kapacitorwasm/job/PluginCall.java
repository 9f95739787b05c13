package io.github.kapacitorwasm.job;

import java.util.List;

/**
 * A call of a plugin, as a TICKscript has it.
 *
 * @param function name of the function
 * @param options the options, in their order
 */
record PluginCall(String function, List<Option> options) {

  /**
   * One option.
   *
   * @param name its name
   * @param values its arguments: Boolean, Long, Double, String or {@link java.time.Duration}
   */
  record Option(String name, List<Object> values) {}
}
