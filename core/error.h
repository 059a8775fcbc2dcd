#pragma once
// One exception type per cause. A message says who, what was given, what is allowed and what to do:
//   [tanh] tensor 'W2', axis 0 'h2' (positive_monomial(32)): tanh is not homogeneous; use relu or leaky_relu

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace weft {

/// Base of everything that weft throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

#define WEFT_ERROR(Name)                                               \
  class Name : public Error {                                          \
   public:                                                             \
    template <class... Args>                                           \
    explicit Name(fmt::format_string<Args...> message, Args&&... args) \
        : Error(fmt::format(message, std::forward<Args>(args)...)) {}  \
  }

WEFT_ERROR(ShapeError);     ///< shapes that do not fit together
WEFT_ERROR(DtypeError);     ///< a dtype that the operation does not take
WEFT_ERROR(TypeError);      ///< an operation that the group acting on an axis does not allow
WEFT_ERROR(ParseError);     ///< text of a space, a term or an option that cannot be read
WEFT_ERROR(AutogradError);  ///< a tape used in a way that would give wrong gradients
WEFT_ERROR(UsageError);     ///< an argument out of its range
WEFT_ERROR(FormatError);    ///< a file whose content is not what its format says
WEFT_ERROR(DiskError);      ///< a file that cannot be opened, read or written
WEFT_ERROR(NumericError);   ///< a NaN or infinity where none may be
WEFT_ERROR(DeviceError);    ///< a device that is missing or fails

#undef WEFT_ERROR

/// A file or folder that is missing or cannot be read; other disk errors come from writing.
class ReadError : public DiskError {
 public:
  using DiskError::DiskError;
};

}  // namespace weft
