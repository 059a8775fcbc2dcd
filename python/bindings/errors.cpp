// Exceptions: one class of Python for each of C++ (core/error.h), with their messages.

#include <chrono>

#include "bindings.h"
#include <nanobind/nanobind.h>

#include "weft/core/error.h"

namespace weft::python {
namespace {

/// A class of exceptions in the module; its bases come first to last.
nb::object make(nb::module_& m, const char* name, const char* text, const nb::tuple& bases) {
  const std::string full = nb::cast<std::string>(m.attr("__name__")) + "." + name;
  nb::object made = nb::steal(PyErr_NewExceptionWithDoc(full.c_str(), text, bases.ptr(), nullptr));
  if (!made) throw nb::python_error();
  m.attr(name) = made;
  return made;
}

/// Every exception of weft that the program throws becomes the class of its type.
template <class E>
nb::object add(nb::module_& m, const char* name, const char* text, const nb::tuple& bases) {
  nb::object type = make(m, name, text, bases);
  nb::register_exception_translator(
      [](const std::exception_ptr& thrown, void* type) {
        try {
          std::rethrow_exception(thrown);
        } catch (const E& error) {
          PyErr_SetString(static_cast<PyObject*>(type), error.what());
        }
      },
      type.ptr());
  type.inc_ref();  // as long as the translator
  return type;
}

}  // namespace

void bind_errors(nb::module_& m) {
  // Translators are asked from the last to the first: the base comes before what is derived from it.
  const nb::object error =
      add<Error>(m, "Error", "Base of everything that weft raises.", nb::make_tuple(nb::handle(PyExc_Exception)));
  const auto with = [&](PyObject* other) { return nb::make_tuple(error, nb::handle(other)); };
  add<ShapeError>(m, "ShapeError", "Shapes that do not fit together.", with(PyExc_ValueError));
  add<DtypeError>(m, "DtypeError", "A dtype that the operation does not take.", with(PyExc_TypeError));
  // The module's own name for it would hide Python's from the stub; the package calls it TypeError.
  add<TypeError>(m, "TypeError_", "An operation that the group acting on an axis does not allow.",
                 with(PyExc_TypeError));
  add<ParseError>(m, "ParseError", "Text of a space, a term or an option that cannot be read.", with(PyExc_ValueError));
  add<AutogradError>(m, "AutogradError", "A tape used in a way that would give wrong gradients.",
                     with(PyExc_RuntimeError));
  add<UsageError>(m, "UsageError", "An argument out of its range.", with(PyExc_ValueError));
  add<FormatError>(m, "FormatError", "A file whose content is not what its format says.", with(PyExc_ValueError));
  const nb::object disk =
      add<DiskError>(m, "DiskError", "A file that cannot be opened, read or written.", with(PyExc_OSError));
  add<ReadError>(m, "ReadError", "A file or folder that is missing or cannot be read.", nb::make_tuple(disk));
  add<NumericError>(m, "NumericError", "A NaN or infinity where none may be.", with(PyExc_ArithmeticError));
  add<DeviceError>(m, "DeviceError", "A device that is missing or fails.", with(PyExc_RuntimeError));
}

void check_signals() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point next;
  const Clock::time_point now = Clock::now();
  if (now < next) return;
  next = now + std::chrono::milliseconds(50);
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace weft::python
