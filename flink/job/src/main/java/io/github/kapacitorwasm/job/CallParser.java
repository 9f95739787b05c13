package io.github.kapacitorwasm.job;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a call in the form that a TICKscript has, by the rules of Kapacitor. */
final class CallParser {

  /** Why a text is no call. */
  static final class CallException extends Exception {

    private static final long serialVersionUID = 1L;

    CallException(String problem) {
      super(problem);
    }
  }

  private static final Pattern BLANK = Pattern.compile("(?:\\s++|//[^\\n]*+)*+");
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Pattern DURATION = Pattern.compile("(\\d+)(ms|u|µ|s|m|h|d|w)");
  private static final Pattern FLOAT = Pattern.compile("\\d+\\.\\d*|\\.\\d+");
  private static final Pattern INTEGER = Pattern.compile("\\d+");
  private static final Pattern LONG_STRING =
      Pattern.compile("'''((?:[^']++|'{1,2}(?!'))*+)'''", Pattern.DOTALL);
  private static final Pattern STRING =
      Pattern.compile("'((?:[^'\\\\]++|\\\\'|\\\\)*+)'", Pattern.DOTALL);

  private static final Map<String, Duration> UNITS =
      Map.of(
          "u", Duration.ofNanos(1_000),
          "µ", Duration.ofNanos(1_000),
          "ms", Duration.ofMillis(1),
          "s", Duration.ofSeconds(1),
          "m", Duration.ofMinutes(1),
          "h", Duration.ofHours(1),
          "d", Duration.ofDays(1),
          "w", Duration.ofDays(7));

  private final String text;
  private int at;

  private CallParser(String text) {
    this.text = text;
  }

  /** Reads a call. */
  static PluginCall parse(String text) throws CallException {
    return new CallParser(text).call();
  }

  private PluginCall call() throws CallException {
    skipBlanks();
    expect('@', "a call begins with `@` and the name of a function, such as `@moving_avg()`");
    String function = name("the name of a function");
    arguments(function, true);
    List<PluginCall.Option> options = new ArrayList<>();
    skipBlanks();
    while (at < text.length()) {
      if (text.charAt(at) == '|' || text.charAt(at) == '@') {
        throw new CallException(
            "a call is of one function; write what follows as a [[plugin]] of its own");
      }
      expect('.', "an option begins with a dot, such as `.field('usage_user')`");
      String option = name("the name of an option");
      options.add(new PluginCall.Option(option, arguments(option, false)));
      skipBlanks();
    }
    return new PluginCall(function, List.copyOf(options));
  }

  private List<Object> arguments(String of, boolean isFunction) throws CallException {
    skipBlanks();
    expect('(', "behind the name there are parentheses, such as `" + of + "()`");
    List<Object> values = new ArrayList<>();
    skipBlanks();
    while (!take(')')) {
      if (isFunction) {
        throw new CallException(
            "the parentheses of `@" + of + "()` are empty; options are behind it, each with a dot");
      }
      if (!values.isEmpty()) {
        expect(',', "arguments have a comma between them");
        skipBlanks();
      }
      values.add(value());
      skipBlanks();
    }
    return List.copyOf(values);
  }

  private Object value() throws CallException {
    boolean isNegative = take('-');
    Matcher match = match(DURATION);
    if (match != null) {
      return duration(match, isNegative);
    }
    match = match(FLOAT);
    if (match != null) {
      double number = Double.parseDouble(match.group());
      return isNegative ? -number : number;
    }
    match = match(INTEGER);
    if (match != null) {
      return integer(match.group(), isNegative);
    }
    if (isNegative) {
      throw wrong("a minus stands before a number or a duration");
    }
    match = match(LONG_STRING);
    if (match != null) {
      return match.group(1);
    }
    match = match(STRING);
    if (match != null) {
      return match.group(1).replace("\\'", "'");
    }
    match = match(NAME);
    if (match != null) {
      return word(match.group());
    }
    throw wrong(
        "an argument is a 'text' in single quotes, an integer, a float such as 0.5, a duration such"
            + " as 10m, TRUE or FALSE");
  }

  private Object word(String word) throws CallException {
    return switch (word) {
      case "TRUE" -> true;
      case "FALSE" -> false;
      case "lambda" -> throw new CallException("an option of a plugin can't be a lambda");
      default ->
          throw new CallException(
              "`"
                  + word
                  + "` is a variable, which job.toml has none of; write its value, a text in"
                  + " single quotes");
    };
  }

  private static Long integer(String digits, boolean isNegative) throws CallException {
    boolean isOctal = digits.length() > 1 && digits.startsWith("0");
    try {
      return Long.parseLong((isNegative ? "-" : "") + digits, isOctal ? 8 : 10);
    } catch (NumberFormatException e) {
      throw new CallException(
          "`"
              + digits
              + (isOctal
                  ? "` is no octal number, and a leading zero means octal; write it without the zero"
                  : "` is beyond the range of an integer; write a smaller number"));
    }
  }

  private static Duration duration(Matcher match, boolean isNegative) throws CallException {
    try {
      Duration duration = UNITS.get(match.group(2)).multipliedBy(Long.parseLong(match.group(1)));
      // Throws if the host could not have it as nanoseconds.
      return Duration.ofNanos(duration.toNanos() * (isNegative ? -1 : 1));
    } catch (ArithmeticException | NumberFormatException e) {
      throw new CallException(
          "`" + match.group() + "` is longer than 292 years; write a shorter duration");
    }
  }

  private Matcher match(Pattern pattern) {
    Matcher matcher = pattern.matcher(text).region(at, text.length());
    if (!matcher.lookingAt()) {
      return null;
    }
    at = matcher.end();
    return matcher;
  }

  private void skipBlanks() {
    var unused = match(BLANK);
  }

  private boolean take(char character) {
    boolean isThere = at < text.length() && text.charAt(at) == character;
    if (isThere) {
      at++;
    }
    return isThere;
  }

  private void expect(char character, String rule) throws CallException {
    if (!take(character)) {
      throw wrong(rule);
    }
  }

  private String name(String what) throws CallException {
    Matcher match = match(NAME);
    if (match == null) {
      throw wrong("there is " + what + " here");
    }
    return match.group();
  }

  /** Tells what is there, and what should be. */
  private CallException wrong(String rule) {
    if (at >= text.length()) {
      return new CallException("it ends too early: " + rule);
    }
    String rest = text.substring(at).lines().findFirst().orElse("");
    String shown = rest.length() > 30 ? rest.substring(0, 30) + "..." : rest;
    return new CallException("`" + shown + "` is wrong there: " + rule);
  }
}
