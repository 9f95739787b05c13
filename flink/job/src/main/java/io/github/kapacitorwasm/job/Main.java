package io.github.kapacitorwasm.job;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * The program of the job jar: {@code flink run kapacitor-wasm-flink.jar job.toml}, or {@code java
 * -jar kapacitor-wasm-flink.jar --check job.toml} without Flink.
 */
public final class Main {

  private static final String USAGE =
      """
      Usage: flink run kapacitor-wasm-flink.jar [--unchecked] FILE
             flink run kapacitor-wasm-flink.jar --export SAVEPOINT FOLDER
             java -jar kapacitor-wasm-flink.jar --check FILE
             java -jar kapacitor-wasm-flink.jar --version

        FILE         the job, such as job.toml
        --check      say what the job would do, or what is wrong with the file
        --unchecked  submit without asking Kafka whether the job can run, and Flink whether it has
                     a job of this name
        --export     write the states of the plugins in a savepoint into a folder, a file for each
                     key group, for `kapacitor-wasm state`
        --help       print this
        --version    print the version, and that of Flink that the jar is for""";

  private static final String CHECK = "--check";
  private static final String UNCHECKED = "--unchecked";
  private static final String EXPORT = "--export";
  private static final String VERSION = "--version";
  private static final List<String> HELP = List.of("--help", "-h");

  private Main() {}

  /**
   * Submits a job, checks its file, or writes the states of a savepoint into files.
   *
   * @param args an option, and its arguments
   * @throws Exception if that can't be done
   */
  public static void main(String[] args) throws Exception {
    try {
      run(args);
    } catch (JobException e) {
      fail(e);
    } catch (NoClassDefFoundError e) {
      fail(withoutFlink(args, e));
    }
  }

  /** What to do when the classes of Flink are absent. */
  static JobException withoutFlink(String[] args, NoClassDefFoundError absent) {
    boolean isExport = args.length > 0 && args[0].equals(EXPORT);
    return new JobException(
        "Flink is not there (no class "
            + absent.getMessage()
            + "): "
            + (isExport
                ? "write the states with `flink run kapacitor-wasm-flink.jar --export ...`."
                : "start the job with `flink run`, or give --check."));
  }

  private static void run(String[] args) throws Exception {
    if (args.length == 1 && HELP.contains(args[0])) {
      System.out.println(USAGE);
      return;
    }
    if (args.length == 1 && args[0].equals(VERSION)) {
      System.out.println(Version.text());
      return;
    }
    if (args.length > 0 && args[0].equals(EXPORT)) {
      export(Arrays.asList(args).subList(1, args.length));
      return;
    }
    List<String> options = Arrays.stream(args).filter(arg -> arg.startsWith("-")).toList();
    JobConfig config = ConfigReader.read(file(args, options));
    if (options.contains(CHECK)) {
      System.out.print(Description.of(config, HostCheck.check(config)));
      return;
    }
    KafkaSettings.check(config);
    boolean isChecked = !options.contains(UNCHECKED);
    if (isChecked) {
      KafkaCheck.check(config);
    }
    Submission.submit(config, isChecked);
  }

  private static void export(List<String> arguments) throws JobException {
    if (arguments.size() != 2) {
      throw wrong(
          EXPORT
              + " needs a savepoint and a folder, and the command line has "
              + Spelling.number(arguments.size(), "argument"));
    }
    Path folder = Path.of(arguments.get(1));
    int files = StateExport.export(arguments.get(0), folder);
    System.out.println(Spelling.number(files, "file") + " with states are in " + folder);
  }

  private static Path file(String[] args, List<String> options) throws JobException {
    for (String option : options) {
      if (!option.equals(CHECK) && !option.equals(UNCHECKED)) {
        throw wrong(unknown(option));
      }
    }
    if (options.size() > 1) {
      throw wrong("only one option can be given, and there are " + String.join(" ", options));
    }
    List<String> files = Arrays.stream(args).filter(arg -> !arg.startsWith("-")).toList();
    if (files.isEmpty() || files.get(0).isEmpty()) {
      throw wrong("the file of the job is missing");
    }
    if (files.size() > 1) {
      throw wrong("only one file can be given, and there are " + String.join(" ", files));
    }
    return Path.of(files.get(0));
  }

  private static String unknown(String option) {
    if (option.equals(EXPORT)) {
      return EXPORT + " has to be the first argument";
    }
    if (option.equals(VERSION) || HELP.contains(option)) {
      return option + " can't have other arguments beside it";
    }
    return "there is no option "
        + option
        + Spelling.nearest(option, List.of(CHECK, UNCHECKED, EXPORT, VERSION, HELP.get(0)))
            .map(near -> "; did you mean " + near + "?")
            .orElse("");
  }

  private static JobException wrong(String problem) {
    return new JobException(
        List.of(
            "The command line is wrong: " + problem + (problem.endsWith("?") ? "" : "."),
            "",
            USAGE));
  }

  private static void fail(JobException mistake) {
    RuntimeException forFlink;
    try {
      forFlink = Submission.mistake(mistake);
    } catch (NoClassDefFoundError e) {
      System.err.println(mistake.getMessage());
      System.exit(1);
      return;
    }
    throw forFlink;
  }
}
