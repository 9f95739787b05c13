package io.github.kapacitorwasm.job;

import java.io.EOFException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** Says why a file or folder can't be used: the message of some exceptions is its path alone. */
final class Reasons {

  private Reasons() {}

  static String of(Exception problem) {
    if (problem instanceof AccessDeniedException) {
      return "permission denied";
    } else if (problem instanceof NoSuchFileException) {
      return "there is no such file or folder";
    } else if (problem instanceof FileAlreadyExistsException
        || problem instanceof NotDirectoryException) {
      return "it is a file, and no folder";
    } else if (problem instanceof EOFException) {
      return "the file is cut off";
    } else if (problem instanceof FileSystemException file && file.getReason() != null) {
      return file.getReason();
    }
    return String.valueOf(problem.getMessage()).strip().replaceFirst("\\.+$", "");
  }
}
