#include "arrays.h"

#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nanobind/ndarray.h>

namespace weft::python {
namespace {

using ReadArray = nb::ndarray<nb::ro>;
using RowMajorArray = nb::ndarray<nb::ro, nb::c_contig>;

std::string python_type(nb::handle object) { return nb::cast<std::string>(nb::handle(object.type()).attr("__name__")); }

std::string dtype_text(nb::dlpack::dtype t) {
  using Code = nb::dlpack::dtype_code;
  switch (static_cast<Code>(t.code)) {
    case Code::Float:
      return fmt::format("float{}", t.bits);
    case Code::Int:
      return fmt::format("int{}", t.bits);
    case Code::UInt:
      return fmt::format("uint{}", t.bits);
    case Code::Bfloat:
      return fmt::format("bfloat{}", t.bits);
    case Code::Complex:
      return fmt::format("complex{}", t.bits);
    case Code::Bool:
      return "bool";
    default:
      return fmt::format("a type of {} bits", t.bits);
  }
}

DType dtype_of_array(nb::dlpack::dtype t, std::string_view who, std::string_view name) {
  if (t == nb::dtype<float>()) return DType::f32;
  if (t == nb::dtype<double>()) return DType::f64;
  if (t == nb::dtype<std::int32_t>()) return DType::i32;
  if (t == nb::dtype<std::uint8_t>()) return DType::u8;
  throw DtypeError("[{}] '{}' is {}; allowed: float32, float64, int32, uint8", who, name, dtype_text(t));
}

template <class Array>
std::optional<Array> import(nb::handle object, bool convert) {
  Array array;
  if (!nb::ndarray_check(object) || !nb::try_cast(object, array, convert)) return {};
  return array;
}

[[noreturn]] void refuse(nb::handle object, std::string_view who, std::string_view name) {
  if (!nb::ndarray_check(object))
    throw UsageError("[{}] '{}' is of type {}; allowed: an array of NumPy, PyTorch or JAX, or what else has __dlpack__",
                     who, name, python_type(object));
  // Of NumPy this can only be the type: texts, objects, times, numbers of the other byte order.
  if (nb::cast<std::string>(nb::handle(object.type()).attr("__module__")).starts_with("numpy"))
    throw DtypeError("[{}] '{}' is {}; allowed: float32, float64, int32, uint8, in the order of this machine's bytes",
                     who, name, nb::cast<std::string>(object.attr("dtype").attr("__str__")()));
  throw UsageError(
      "[{}] '{}', a {}, cannot be read as an array; allowed: numbers that lie on the CPU, of PyTorch such that need no "
      "gradient (.detach()), of JAX outside of jit and grad",
      who, name, python_type(object));
}

/// The memory of an array, kept until the last tensor on it goes; that may be on any thread.
template <class Array>
Tensor view_of(Array array, std::string_view who, std::string_view name) {
  if (const int device = array.device_type(); device != nb::device::cpu::value && device != 0)
    throw DeviceError("[{}] '{}' lies on a device (DLPack's number {}); allowed: arrays on the CPU", who, name, device);
  const DType dtype = dtype_of_array(array.dtype(), who, name);
  if (array.ndim() > Shape::max_rank)
    throw ShapeError("[{}] '{}' has {} axes; allowed: at most {}", who, name, array.ndim(), Shape::max_rank);
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < array.ndim(); ++i) sizes.push_back(static_cast<std::int64_t>(array.shape(i)));
  const Shape shape(sizes);
  void* const data = const_cast<void*>(static_cast<const void*>(array.data()));
  std::shared_ptr<const void> owner(new Array(std::move(array)), [](const void* kept) {
    if (!Py_IsInitialized()) return;  // its memory went with the interpreter
    const nb::gil_scoped_acquire gil;
    delete static_cast<const Array*>(kept);
  });
  return Tensor::view_of(data, shape, dtype, std::move(owner));
}

bool row_major(const ReadArray& array) {
  std::int64_t step = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != step) return false;
    step *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

nb::dlpack::dtype dlpack_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return nb::dtype<float>();
    case DType::f64:
      return nb::dtype<double>();
    case DType::i32:
      return nb::dtype<std::int32_t>();
    case DType::u8:
      return nb::dtype<std::uint8_t>();
  }
  return {};
}

/// [axes…] and [taps, axes…] with the axes that they leave out.
Shape feature_shape(const Shape& given, const Space& space, int tensor, std::string_view who) {
  const Shape axes = space.axes_shape(tensor);
  const SpaceTensor& t = space.tensors()[static_cast<std::size_t>(tensor)];
  const int leading = given.rank() - axes.rank();
  const bool fits = leading >= 0 && leading <= 2 && given.sub(leading, given.rank()) == axes &&
                    (leading != 0 || t.taps() == 1) && (leading != 1 || given[0] == t.taps()) &&
                    (leading != 2 || given[1] % t.taps() == 0);
  if (!fits)
    throw ShapeError("[{}] '{}' has shape {}; allowed: {}, {} or [batch, channels * {}, axes...]", who, t.name,
                     given.str(), t.taps() == 1 ? axes.str() : "with taps", space.feature_shape(tensor, 1, 1).str(),
                     t.taps());
  Shape shape;
  if (leading < 2) shape.push_back(1);
  if (leading < 1) shape.push_back(1);
  for (int k = 0; k < given.rank(); ++k) shape.push_back(given[k]);
  return shape;
}

bool is_mapping(nb::handle object) { return PyMapping_Check(object.ptr()) && nb::hasattr(object, "keys"); }

}  // namespace

Tensor tensor_of(nb::handle object, std::string_view who, std::string_view name) {
  auto array = import <ReadArray>(object, true);
  if (!array) refuse(object, who, name);
  if (row_major(*array)) return view_of(std::move(*array), who, name);
  dtype_of_array(array->dtype(), who, name);
  auto copied = import <RowMajorArray>(object, true);
  if (!copied) {
    PyErr_Format(PyExc_MemoryError, "%s",
                 fmt::format("[{}] '{}' does not lie row by row, and memory lacks for a copy", who, name).c_str());
    throw nb::python_error();
  }
  return view_of(std::move(*copied), who, name);
}

Tensor writable_tensor_of(nb::handle object, std::string_view who, std::string_view name) {
  auto read = import <ReadArray>(object, false);
  if (!read) refuse(object, who, name);
  auto array = import <nb::ndarray<>>(object, false);
  // JAX gives its arrays, which never change, to whoever would write.
  if (!array || nb::cast<std::string>(nb::handle(object.type()).attr("__module__")).starts_with("jax"))
    throw UsageError("[{}] '{}' is read-only; allowed: an array that may be written to", who, name);
  if (!row_major(*read))
    throw UsageError("[{}] '{}' does not lie row by row; allowed: a new array, as numpy.empty makes it", who, name);
  return view_of(std::move(*array), who, name);
}

nb::object array_of(const Tensor& t, bool writable) {
  const nb::capsule owner(new Tensor(t), [](void* kept) noexcept { delete static_cast<Tensor*>(kept); });
  std::vector<std::size_t> sizes;
  for (int k = 0; k < t.rank(); ++k) sizes.push_back(static_cast<std::size_t>(t.dim(k)));
  const auto made = [&](auto array) { return nb::cast(array, nb::rv_policy::reference); };
  if (writable)
    return made(nb::ndarray<nb::numpy>(t.raw(), sizes.size(), sizes.data(), owner, nullptr, dlpack_type(t.dtype()),
                                       nb::device::cpu::value));
  return made(nb::ndarray<nb::numpy, nb::ro>(t.raw(), sizes.size(), sizes.data(), owner, nullptr,
                                             dlpack_type(t.dtype()), nb::device::cpu::value));
}

std::vector<std::pair<std::string, nb::object>> items_of(nb::handle mapping, std::string_view who,
                                                         std::string_view name) {
  if (!is_mapping(mapping))
    throw UsageError("[{}] '{}' is of type {}; allowed: a dict by names", who, name, python_type(mapping));
  std::vector<std::pair<std::string, nb::object>> out;
  for (nb::handle key : mapping) {
    std::string text;
    if (!nb::try_cast(key, text))
      throw UsageError("[{}] '{}' has a key {}; allowed: texts", who, name, nb::repr(key).c_str());
    out.emplace_back(text, nb::object(mapping[key]));
  }
  return out;
}

std::vector<Tensor> features_of(nb::handle arrays, const Space& space, std::string_view who) {
  std::vector<Tensor> out;
  const auto add = [&](nb::handle array, int t) {
    const std::string& name = space.tensors()[static_cast<std::size_t>(t)].name;
    const Tensor given = tensor_of(array, who, name);
    if (given.dtype() != DType::f32 && given.dtype() != DType::f64)
      throw DtypeError("[{}] '{}' is {}; allowed: float32, float64", who, name, weft::name(given.dtype()));
    if (!out.empty() && given.dtype() != out[0].dtype())
      throw DtypeError("[{}] '{}' is {} and '{}' {}; allowed: one type for all", who, name, weft::name(given.dtype()),
                       space.tensors()[0].name, weft::name(out[0].dtype()));
    out.push_back(given.reshape(feature_shape(given.shape(), space, t, who)));
  };
  std::vector<std::string_view> names;
  for (const SpaceTensor& t : space.tensors()) names.push_back(t.name);
  if (is_mapping(arrays)) {
    for (nb::handle key : arrays)
      if (std::string text; !nb::try_cast(key, text) || space.find_tensor(text) < 0)
        throw UsageError("[{}] the space has no tensor {}; allowed: {}", who, nb::repr(key).c_str(),
                         fmt::join(names, ", "));
    for (int t = 0; t < std::ssize(names); ++t) {
      const nb::str key(names[static_cast<std::size_t>(t)].data());
      if (!nb::cast<bool>(nb::bool_(PySequence_Contains(arrays.ptr(), key.ptr()) == 1)))
        throw UsageError("[{}] no array '{}'; wanted: {}", who, key.c_str(), fmt::join(names, ", "));
      add(arrays[key], t);
    }
    return out;
  }
  if (!PySequence_Check(arrays.ptr()) || nb::isinstance<nb::str>(arrays) || nb::ndarray_check(arrays))
    throw UsageError("[{}] arrays of type {}; allowed: a dict by the tensors' names, or a list in their order", who,
                     python_type(arrays));
  if (nb::len(arrays) != names.size())
    throw UsageError("[{}] {} arrays; wanted: {}, in this order: {}", who, nb::len(arrays), names.size(),
                     fmt::join(names, ", "));
  for (int t = 0; t < std::ssize(names); ++t) add(arrays[t], t);
  return out;
}

nb::object arrays_like(nb::handle given, const Space& space, std::span<const Tensor> results) {
  const bool mapping = is_mapping(given);
  nb::dict named;
  nb::list listed;
  for (std::size_t t = 0; t < results.size(); ++t) {
    const nb::str name(space.tensors()[t].name.c_str());
    const nb::object before = mapping ? nb::object(given[name]) : nb::object(given[t]);
    const auto rank = static_cast<int>(nb::len(nb::object(before.attr("shape"))));
    const Tensor& result = results[t];
    const nb::object array = array_of(result.reshape(result.shape().sub(result.rank() - rank, result.rank())));
    if (mapping)
      named[name] = array;
    else
      listed.append(array);
  }
  return mapping ? nb::object(named) : nb::object(listed);
}

nb::dict named_arrays(const Space& space, std::span<const Tensor> tensors, bool writable) {
  nb::dict out;
  for (std::size_t t = 0; t < tensors.size(); ++t)
    out[nb::str(space.tensors()[t].name.c_str())] = array_of(tensors[t], writable);
  return out;
}

DType float_type(std::string_view name, std::string_view who) {
  for (const DType dtype : {DType::f32, DType::f64})
    if (name == weft::name(dtype)) return dtype;
  throw DtypeError("[{}] dtype '{}'; allowed: 'float32', 'float64'", who, name);
}

nb::tuple tuple_of(const Shape& shape) {
  nb::list sizes;
  for (int k = 0; k < shape.rank(); ++k) sizes.append(shape[k]);
  return nb::tuple(sizes);
}

}  // namespace weft::python
