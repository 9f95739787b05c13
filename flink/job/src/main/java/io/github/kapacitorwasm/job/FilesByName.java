package io.github.kapacitorwasm.job;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.assigners.FileSplitAssigner;
import org.apache.flink.connector.file.src.assigners.SimpleSplitAssigner;

/** Lets one subtask read the files of a folder in the order of their names. */
final class FilesByName {

  private FilesByName() {}

  /** Gives files out in the order of their names, also what remains of them after a failure. */
  static FileSplitAssigner assigner(Collection<FileSourceSplit> files) {
    List<FileSourceSplit> lastFirst =
        files.stream()
            .sorted(
                Comparator.comparing((FileSourceSplit file) -> file.path().toString()).reversed())
            .toList();
    // It takes from the end of its list.
    return new SimpleSplitAssigner(lastFirst);
  }
}
