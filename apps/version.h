#pragma once

#include <string>

namespace weft::apps {

/// "weft 0.2.0", and lines that tell one build, on one machine, from another: commit, compiler, instruction set, CUDA.
std::string version_text();

}  // namespace weft::apps
