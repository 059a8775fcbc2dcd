#include "weft/cuda/library.h"

#include <utility>

#include <dlfcn.h>

#include "weft/cuda/errors.h"

namespace weft::cuda {
namespace {

std::string last_error() {
  const char* words = dlerror();
  return words ? words : "no reason given";
}

}  // namespace

Library::Library(const char* who, std::string name, const char* use) : who_(who), use_(use), name_(std::move(name)) {
  library_ = dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string reason = library_ ? "" : last_error();
  if (!library_) library_ = dlopen((WEFT_CUDA_LIBRARY_DIR "/" + name_).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) throw library_missing(who_, name_, reason, use_);
}

void* Library::address(const char* symbol) const {
  void* function = dlsym(library_, symbol);
  if (!function) throw library_missing(who_, name_, last_error(), use_);
  return function;
}

}  // namespace weft::cuda
