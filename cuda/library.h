#pragma once
// Libraries of CUDA that are opened when they are needed, so that a program starts without them.

#include <string>

namespace weft::cuda {

/// One that is open, and stays so: its handles may outlive any object of ours.
class Library {
 public:
  /// First where the machine's loader looks, then where the build found the toolkit. `who` asks for it; `use` is
  /// what for: "products on a GPU need cuBLAS". Throws DeviceError that names it when it is missing.
  Library(const char* who, std::string name, const char* use);

  /// Throws DeviceError that names the library when it lacks the function.
  template <class F>
  void find(const char* symbol, F& function) const {
    function = reinterpret_cast<F>(address(symbol));
  }

 private:
  void* address(const char* symbol) const;
  const char *who_, *use_;
  std::string name_;
  void* library_;
};

}  // namespace weft::cuda
