#include "weft/cuda/library.h"

#include <dlfcn.h>

#include "weft/cuda/errors.h"

namespace weft::cuda {
namespace {

std::string last_error() {
  const char* words = dlerror();
  return words ? words : "no reason given";
}

}  // namespace

void* open_library(const std::string& name) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string reason = library ? "" : last_error();
  if (!library) library = dlopen((WEFT_CUDA_LIBRARY_DIR "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw library_missing(name, reason);
  return library;
}

void* find_function(void* library, const std::string& name, const char* symbol) {
  void* function = dlsym(library, symbol);
  if (!function) throw library_missing(name, last_error());
  return function;
}

}  // namespace weft::cuda
