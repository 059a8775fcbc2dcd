# Writes the commit of the sources to OUTPUT, for `weft --version`; run by every build, and the file changes only when the
# commit does:  cmake -DSOURCE=… -DOUTPUT=… -P WeftCommit.cmake
set(commit "unknown")
if(EXISTS "${SOURCE}/.git")
  execute_process(COMMAND git describe --always --abbrev=12 --exclude=* --dirty WORKING_DIRECTORY "${SOURCE}"
    OUTPUT_VARIABLE said RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(commit "${said}")
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT [[
#pragma once

namespace weft::apps {

inline constexpr const char* commit = "@commit@";

}  // namespace weft::apps
]] @ONLY)
