#pragma once
// What the files of the binding share. Each binds one subject and has no logic of its own.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "weft/core/random.h"
#include "weft/core/stop.h"

namespace weft::python {

namespace nb = nanobind;
using namespace nb::literals;

void bind_errors(nb::module_& m);
void bind_spaces(nb::module_& m);
void bind_elements(nb::module_& m);
void bind_networks(nb::module_& m);
void bind_acting(nb::module_& m);
void bind_terms(nb::module_& m);
void bind_steps(nb::module_& m);
void bind_modules(nb::module_& m);
void bind_layers(nb::module_& m);
void bind_zoos(nb::module_& m);
void bind_training(nb::module_& m);

/// A seed, or a key: where C++ takes a RandomKey. A seed stands for RandomKey(seed, purpose).
using SeedOrKey = std::variant<std::uint64_t, RandomKey>;
inline RandomKey key_of(const SeedOrKey& given, std::string_view purpose) {
  const auto* key = std::get_if<RandomKey>(&given);
  return key ? *key : RandomKey(std::get<std::uint64_t>(given), purpose);
}

/// Called while a long computation runs without the GIL: Ctrl-C ends it. Asks Python a few times a second, for the GIL
/// may be dear.
void check_signals();

/// For calls that may take long and return something new: without the GIL, and ended by Ctrl-C.
class LongCall {
  nb::gil_scoped_release free_;
  Stoppable stoppable_{check_signals};
};

}  // namespace weft::python
