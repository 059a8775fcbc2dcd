#pragma once
// Libraries of CUDA that are opened when they are needed, so that a program starts without them.

#include <string>

namespace weft::cuda {

/// First where the machine's loader looks, then where the build found the toolkit. It stays open: its handles may
/// outlive any object of ours. Throws DeviceError that names it when it is missing.
void* open_library(const std::string& name);
/// Throws DeviceError that names the library when it lacks the function.
void* find_function(void* library, const std::string& name, const char* symbol);

template <class F>
void find(void* library, const std::string& name, const char* symbol, F& function) {
  function = reinterpret_cast<F>(find_function(library, name, symbol));
}

}  // namespace weft::cuda
