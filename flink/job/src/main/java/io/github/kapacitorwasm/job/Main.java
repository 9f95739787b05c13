package io.github.kapacitorwasm.job;

import java.nio.file.Path;

/**
 * The program of the job jar: {@code flink run kapacitor-wasm-flink.jar job.toml}, or {@code java
 * -jar kapacitor-wasm-flink.jar --check job.toml} without Flink.
 */
public final class Main {

  private static final String USAGE =
      """
      Usage: flink run kapacitor-wasm-flink.jar [--unchecked] FILE
             java -jar kapacitor-wasm-flink.jar --check FILE

        FILE         the job, such as job.toml
        --check      say what the job would do, or what is wrong with the file
        --unchecked  submit without asking Kafka whether the job can run""";

  private static final String CHECK = "--check";
  private static final String UNCHECKED = "--unchecked";

  private Main() {}

  /**
   * Submits a job, or checks its file.
   *
   * @param args an option and the path of the file
   * @throws Exception if the job can't be submitted
   */
  public static void main(String[] args) throws Exception {
    try {
      run(args);
    } catch (JobException e) {
      fail(e);
    } catch (NoClassDefFoundError e) {
      fail(
          new JobException(
              "Flink is not there (no class "
                  + e.getMessage()
                  + "): start the job with `flink run`, or give --check."));
    }
  }

  private static void run(String[] args) throws Exception {
    boolean isCheck = args.length == 2 && args[0].equals(CHECK);
    boolean isUnchecked = args.length == 2 && args[0].equals(UNCHECKED);
    boolean isPlain = args.length == 1 && !args[0].startsWith("-");
    if (!isCheck && !isUnchecked && !isPlain) {
      throw new JobException(USAGE);
    }
    JobConfig config = ConfigReader.read(Path.of(args[args.length - 1]));
    if (isCheck) {
      System.out.print(Description.of(config));
      return;
    }
    if (!isUnchecked) {
      KafkaCheck.check(config);
    }
    Submission.submit(config);
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
