#pragma once
// Networks in files of tests: numbers by name, and golden files of another implementation.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/io/json.h"
#include "weft/networks/files/window_copy.h"
#include "weft/ops/act.h"
#include "weft/tests/files.h"

namespace weft::testing {

using Numbers = std::map<std::string, Tensor>;

inline FileNumbers of(const Numbers& numbers) {
  return [&numbers](const std::string& name) {
    const auto at = numbers.find(name);
    return at == numbers.end() ? Tensor() : at->second;
  };
}

/// The float64 tensors of a safetensors file. Counters of other dtypes are no weights.
inline Numbers read(const std::filesystem::path& path) {
  Numbers out;
  const std::string bytes = read_text(path);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  const Json header = Json::parse(std::string_view(bytes).substr(8, size));
  for (const auto& [name, entry] : *header.object()) {
    const Json* dtype = entry.find("dtype");
    if (!dtype || *dtype->text() != "F64") continue;
    Shape shape;
    for (const Json& n : *entry.find("shape")->list()) shape.push_back(*n.whole());
    const Tensor t = Tensor::zeros(shape, DType::f64);
    std::memcpy(t.raw(), bytes.data() + 8 + size + *(*entry.find("data_offsets")->list())[0].natural(), t.bytes());
    out.emplace(name, t);
  }
  return out;
}

/// Numbers drawn for every tensor of a file.
inline Numbers drawn(const FileSpace& files, RandomKey key, DType dtype) {
  Numbers out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names) {
      const Tensor t = Tensor::zeros(file.shape, dtype);
      fill_normal(t, key.at(static_cast<std::uint64_t>(out.size())));
      out.emplace(name, t);
      for (const std::string& tie : file.ties) out.emplace(tie, t.clone());
    }
  return out;
}

inline std::vector<double> flat(const Json& json) {
  std::vector<double> out;
  if (const auto number = json.number()) return {*number};
  for (const Json& item : *json.list())
    for (const double x : flat(item)) out.push_back(x);
  return out;
}

/// The element of a golden file. Matrices come without inverses: those of small ones are exact enough by elimination.
inline std::vector<double> inverses(const std::vector<double>& matrices, std::int64_t n) {
  std::vector<double> out(matrices.size());
  const auto size = static_cast<std::size_t>(n);
  for (std::size_t first = 0; first < matrices.size(); first += size * size) {
    std::vector<double> a(matrices.begin() + static_cast<std::ptrdiff_t>(first),
                          matrices.begin() + static_cast<std::ptrdiff_t>(first + size * size));
    double* b = out.data() + first;
    for (std::size_t i = 0; i < size; ++i) b[i * size + i] = 1;
    for (std::size_t k = 0; k < size; ++k) {
      std::size_t pivot = k;
      for (std::size_t i = k; i < size; ++i)
        if (std::abs(a[i * size + k]) > std::abs(a[pivot * size + k])) pivot = i;
      for (std::size_t j = 0; j < size; ++j) {
        std::swap(a[k * size + j], a[pivot * size + j]);
        std::swap(b[k * size + j], b[pivot * size + j]);
      }
      const double scale = 1 / a[k * size + k];
      for (std::size_t j = 0; j < size; ++j) {
        a[k * size + j] *= scale;
        b[k * size + j] *= scale;
      }
      for (std::size_t i = 0; i < size; ++i) {
        const double by = a[i * size + k];
        for (std::size_t j = 0; i != k && j < size; ++j) {
          a[i * size + j] -= by * a[k * size + j];
          b[i * size + j] -= by * b[k * size + j];
        }
      }
    }
  }
  return out;
}

inline Element element_of(const Space& space, const Json& json) {
  std::vector<ElementPart> parts;
  const Element identity = Element::identity(space);
  for (std::size_t i = 0; i < space.factors().size(); ++i) {
    ElementPart part = identity.part(static_cast<int>(i));
    if (const Json* own = json.find(space.factors()[i].name)) {
      const auto fill = [&](const char* key, std::vector<double>& to) {
        if (const Json* values = own->find(key)) to = flat(*values);
      };
      if (const Json* order = own->find("order")) {
        part.order.clear();
        for (const double place : flat(*order)) part.order.push_back(static_cast<std::int32_t>(place));
      }
      fill("scale", part.scale);
      fill("matrix", part.matrix);
      fill("re", part.re);
      fill("im", part.im);
      if (own->find("matrix")) part.inverse = inverses(part.matrix, part.size);
    }
    parts.push_back(std::move(part));
  }
  return Element(space, std::move(parts));
}

inline std::string text_of(const Json& json, const char* key) {
  const Json* text = json.find(key);
  return text ? *text->text() : "";
}

/// Windows and factors as the golden file has them.
inline void check_layout(const FileSpace& files, const Json& golden) {
  const Space& space = files.space;
  const auto& factors = *golden.find("factors")->object();
  std::size_t named = 0;
  for (const Factor& f : space.factors()) named += !f.name.starts_with("fixed.");
  CHECK(named == factors.size());
  for (const auto& [name, own] : factors) {
    REQUIRE_MESSAGE(space.find_factor(name) >= 0, name);
    const Factor& f = space.factors()[static_cast<std::size_t>(space.find_factor(name))];
    CHECK(f.kind->name == text_of(own, "kind"));
    CHECK(f.size == own.find("size")->whole());
    CHECK(f.per == text_of(own, "per"));
    CHECK(f.along == text_of(own, "along"));
  }
  const auto& windows = *golden.find("windows")->object();
  CHECK(windows.size() == files.windows.size());
  for (const auto& [name, own] : windows) {
    const int t = space.find_tensor(space_name(name));
    REQUIRE_MESSAGE(t >= 0, name);
    const Window& window = files.windows[static_cast<std::size_t>(t)];
    const FileEntry& file = files.files[static_cast<std::size_t>(window.file)];
    CHECK(files.text.tensors[static_cast<std::size_t>(window.file)].name == text_of(own, "file"));
    CHECK(file.indexed == (own.find("name_index") != nullptr));
    CHECK(window.offset == own.find("offset")->whole());
    CHECK(static_cast<double>(file.plus) == own.find("plus")->number());
    const auto& axes = *own.find("axes")->list();
    REQUIRE(axes.size() == window.axes.size());
    for (std::size_t k = 0; k < axes.size(); ++k) {
      CHECK(window.axes[k] == WindowAxis{*axes[k].find("size")->whole(), *axes[k].find("stride")->whole()});
      std::string characters;
      for (const Json& c : *axes[k].find("characters")->list())
        characters += (characters.empty() ? "" : "&") +
                      with_degree(*(*c.list())[0].text(), static_cast<int>(*(*c.list())[1].whole()));
      const std::string printed = space.str(space.tensors()[static_cast<std::size_t>(t)].axes[k]);
      CHECK((characters.empty() ? printed.starts_with("fixed.") : printed == characters));
    }
  }
}

/// A golden network: its numbers, the moved ones, and what another implementation says of it.
struct Golden {
  Json json;
  Numbers numbers, moved;

  explicit Golden(const std::filesystem::path& path) : json(Json::parse(read_text(path))) {
    const std::string stem = path.string().substr(0, path.string().size() - 5);
    numbers = read(stem + ".safetensors");
    moved = read(stem + ".moved.safetensors");
  }

  /// Windows and factors are those of the golden file, and its element moves the numbers where it says.
  void check(const FileSpace& files) const {
    check_layout(files, json);
    Numbers own;
    for (const auto& [name, tensor] : numbers) own.emplace(name, tensor.clone());
    const Element g = element_of(files.space, *json.find("element"));
    write_windows(files, act(g, read_windows(files, of(own))), of(own));
    for (const auto& [name, tensor] : moved) CHECK_MESSAGE(relative_error(own.at(name), tensor) < 1e-12, name);
  }
};

/// The golden networks: one of the repository's own, and those beside it where there are such.
inline std::vector<std::filesystem::path> golden_networks() {
  std::vector<std::filesystem::path> out{std::filesystem::path(WEFT_SOURCE_DIR) /
                                         "tests/fixtures/architectures/lstm.json"};
  const DataFolder shared("WEFT_ARCHITECTURES_DIR", "../shared/architectures");
  for (const auto& path : files_in(shared.path / "golden"))
    if (path.string().ends_with(".json") && !path.string().ends_with(".config.json")) out.push_back(path);
  if (shared.asked_for) CHECK(out.size() >= 9);
  if (out.size() == 1) MESSAGE("skipped: no golden files in " << shared.path.string());
  return out;
}

}  // namespace weft::testing
