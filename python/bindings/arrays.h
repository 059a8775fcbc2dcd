#pragma once
// Arrays of Python as tensors and back, without a copy.

#include <span>
#include <string_view>
#include <vector>

#include "bindings.h"

#include "weft/core/tensor.h"
#include "weft/groups/space.h"

namespace weft::python {

/// An array of NumPy, PyTorch, JAX or whatever gives DLPack, as a tensor on the same memory, which it keeps. Only one
/// that does not lie row by row is copied. Read-only arrays are taken, for nobody writes to what is given so. Messages
/// begin with `who` and call the array `name`. Throws UsageError for what is no array, DtypeError for a type of numbers
/// that weft lacks, DeviceError for one that lies on a device.
Tensor tensor_of(nb::handle array, std::string_view who, std::string_view name);
/// The same for writing to: throws UsageError for one that is read-only, or does not lie row by row.
Tensor writable_tensor_of(nb::handle array, std::string_view who, std::string_view name);

/// A NumPy array on the tensor's memory, which it keeps.
nb::object array_of(const Tensor& t, bool writable = true);

/// One array per tensor of the space: a mapping from the tensors' names, or a sequence in their order. Each is
/// [axes…], [taps, axes…] or [B, C taps, axes…]; what comes out is the last of these. Throws what tensor_of() throws,
/// UsageError for a name that is missing or unknown, ShapeError for other axes.
std::vector<Tensor> features_of(nb::handle arrays, const Space& space, std::string_view who);
/// Results in the shapes, and the kind of container, that `given` has: a dict for a mapping, else a list.
nb::object arrays_like(nb::handle given, const Space& space, std::span<const Tensor> results);

/// What a mapping with texts as keys has. Throws UsageError for what is none, calling it `name`.
std::vector<std::pair<std::string, nb::object>> items_of(nb::handle mapping, std::string_view who,
                                                         std::string_view name);

/// By the tensors' names.
nb::dict named_arrays(const Space& space, std::span<const Tensor> tensors, bool writable = true);

/// "float32" or "float64". Throws DtypeError for another.
DType float_type(std::string_view name, std::string_view who);

/// (2, 3)
nb::tuple tuple_of(const Shape& shape);

}  // namespace weft::python
