// Networks in files of any format: read, moved, folded, compared, written.

#include <variant>

#include "arrays.h"
#include "bindings.h"

#include "weft/symmetry/network_files.h"
#include "weft/zoo/describe_network.h"
#include "weft/zoo/fold_network.h"

namespace weft::python {
namespace {

using Path = std::filesystem::path;
/// A network, or the path of a file with one.
using Network = std::variant<NetworkFile, Path>;
using Config = std::variant<nb::dict, Path>;
using SpaceOrText = std::optional<std::variant<Space, std::string>>;

/// An object of Python that JSON knows.
Json json_of(nb::handle object) {
  return Json::parse(nb::cast<std::string>(nb::module_::import_("json").attr("dumps")(object, "allow_nan"_a = false)));
}
nb::object from_json(const Json& json) { return nb::module_::import_("json").attr("loads")(json.dump()); }

NetworkReading reading_of(const SpaceOrText& space, const std::optional<Path>& architecture,
                          const std::optional<Config>& config) {
  NetworkReading out;
  if (space)
    out.space =
        std::holds_alternative<Space>(*space) ? std::get<Space>(*space) : Space::parse(std::get<std::string>(*space));
  if (architecture) out.architecture = architecture_text_of(architecture->string());
  if (config)
    out.config = std::holds_alternative<Path>(*config) ? read_config(std::get<Path>(*config))
                                                       : json_of(std::get<nb::dict>(*config));
  return out;
}

NetworkFile loaded(const Path& path, const NetworkReading& reading) {
  const LongCall call;
  return NetworkFile::load(path, reading);
}

std::string architecture(const NetworkFile& n) { return n.source ? n.source->architecture.name : ""; }

FileEquivalence compared(const Network& a, const Network& b, const FileComparison& how, const NetworkReading& reading) {
  const auto path = [](const Network& n) { return std::holds_alternative<Path>(n) ? std::get<Path>(n) : Path(); };
  const auto [of_a, of_b] = readings_of_two(path(a), path(b), reading);
  const auto file = [](const Network& n, const NetworkReading& how) {
    const auto* here = std::get_if<NetworkFile>(&n);
    return here ? *here : NetworkFile::load(std::get<Path>(n), how);
  };
  return compare_network_files(file(a, of_a), file(b, of_b), how);
}

nb::dict residuals(const NetworkElement& e) {
  nb::dict out;
  for (std::size_t t = 0; t < e.of_tensors.size(); ++t)
    out[e.element.space().tensors()[t].name.c_str()] = e.of_tensors[t];
  return out;
}

void bind_files(nb::module_& m) {
  nb::class_<NetworkFile>(m, "NetworkFile",
                          "One network: a space and its weights, and of one that was read what else its file holds.")
      .def(
          "__init__",
          [](NetworkFile* self, const Space& space, nb::handle weights, const Metadata& metadata) {
            new (self) NetworkFile{space, features_of(weights, space, "network"), metadata};
          },
          "space"_a, "weights"_a, "metadata"_a = Metadata{},
          nb::sig("def __init__(self, space: Space, weights: collections.abc.Mapping[str, typing.Any] | "
                  "collections.abc.Sequence[typing.Any], metadata: collections.abc.Mapping[str, str] = {}) -> None"),
          "A network of these arrays, [axes...] or [taps, axes...], which are not copied.")
      .def_ro("space", &NetworkFile::space)
      .def_ro("metadata", &NetworkFile::metadata)
      .def_prop_ro("architecture", &architecture, "As its file's names tell it: 'gpt2'; empty for none.")
      .def_prop_ro(
          "weights", [](const NetworkFile& n) { return named_arrays(n.space, n.weights, false); },
          nb::sig("def weights(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"),
          "By the tensors' names, [1, taps, axes...]: read-only arrays, for they may lie in the file.")
      .def(
          "with_weights",
          [](const NetworkFile& n, nb::handle weights) {
            NetworkFile out = n;
            out.weights = features_of(weights, n.space, "network");
            return out;
          },
          "weights"_a,
          nb::sig("def with_weights(self, weights: collections.abc.Mapping[str, typing.Any] | "
                  "collections.abc.Sequence[typing.Any]) -> NetworkFile"),
          "The same file's network with other weights.")
      .def(
          "__reduce__",
          [](const NetworkFile& n) {
            if (n.source)
              throw UsageError(
                  "[network] a network of '{}' is neither pickled nor copied; give its path, and "
                  "weft.load() it there, or NetworkFile(n.space, n.weights)",
                  n.source->file.file());
            return nb::make_tuple(nb::type<NetworkFile>(),
                                  nb::make_tuple(n.space, named_arrays(n.space, n.weights, false), n.metadata));
          },
          nb::sig("def __reduce__(self) -> tuple[type[NetworkFile], tuple[Space, dict[str, "
                  "numpy.typing.NDArray[typing.Any]], dict[str, str]]]"))
      .def("save", &NetworkFile::save, "path"_a, nb::call_guard<LongCall>(),
           "With the names, types and order of the file that it was read from, else as a file of weft's own; complete\n"
           "or not at all. Raises DiskError, NumericError.")
      .def("__repr__", [](const NetworkFile& n) { return "<weft.NetworkFile of " + in_words(n) + ">"; });

  m.def(
      "load",
      [](const Path& path, const SpaceOrText& space, const std::optional<Path>& architecture,
         const std::optional<Config>& config) { return loaded(path, reading_of(space, architecture, config)); },
      "path"_a, "space"_a = nb::none(), "architecture"_a = nb::none(), "config"_a = nb::none(),
      "The network in a file of safetensors, PyTorch or numpy, or in a folder with one.\n\n"
      "space: that of a file whose tensors have its names; architecture: the name of one, or the path of\n"
      "a text of one's own; config: a dict, or the path\n"
      "of a config.json. Without them the file finds its own. Raises DiskError, FormatError, UsageError.");
  m.def(
      "save", [](const Path& path, const NetworkFile& network) { network.save(path); }, "path"_a, "network"_a,
      nb::call_guard<LongCall>(), "network.save(path).");
  m.def(
      "inspect",
      [](const Path& path, const SpaceOrText& space, const std::optional<Path>& architecture,
         const std::optional<Config>& config) {
        const NetworkReading reading = reading_of(space, architecture, config);
        Json found;
        {
          const LongCall call;
          const NetworkSource source = NetworkSource::open(path, reading);
          found = describe(source);
        }
        return from_json(found);
      },
      "path"_a, "space"_a = nb::none(), "architecture"_a = nb::none(), "config"_a = nb::none(),
      nb::sig("def inspect(path: str | os.PathLike[str], space: Space | str | None = None, architecture: str | "
              "os.PathLike[str] | None = None, config: dict[str, typing.Any] | str | os.PathLike[str] | None = None) "
              "-> dict[str, typing.Any]"),
      "What a file's network is, as `weft inspect --json` says it: architecture, tensors and their axes, factors.");
}

}  // namespace

void bind_networks(nb::module_& m) {
  bind_files(m);
  nb::class_<FileEquivalence>(m, "Equivalence", "What weft.same() found of two networks.")
      .def_prop_ro(
          "decision", [](const FileEquivalence& e) { return std::string(name(e.found.decision)); },
          "'same', 'different' or 'undecided'.")
      .def_ro("folded", &FileEquivalence::folded, "Whether it is of the networks with their norms folded.")
      .def_prop_ro(
          "element",
          [](const FileEquivalence& e) {
            return e.found.element ? std::optional(e.found.element->element) : std::nullopt;
          },
          "The element of the group that carries the first to the second, where one was found.")
      .def_prop_ro(
          "residual",
          [](const FileEquivalence& e) {
            const auto& found = e.found.element ? e.found.element : e.found.nearest;
            return found ? std::optional(found->residual) : std::nullopt;
          },
          "The largest distance of a unit or head that it, or the nearest one, leaves.")
      .def_prop_ro(
          "residuals",
          [](const FileEquivalence& e) {
            const auto& found = e.found.element ? e.found.element : e.found.nearest;
            return found ? residuals(*found) : nb::dict();
          },
          nb::sig("def residuals(self) -> dict[str, float]"), "By tensor: ||g a - b|| / ||b||.")
      .def_prop_ro(
          "witness",
          [](const FileEquivalence& e) -> nb::object {
            if (!e.found.witness) return nb::none();
            nb::dict out;
            out["x"] = array_of(e.found.witness->x);
            out["y_a"] = array_of(e.found.witness->y_a);
            out["y_b"] = array_of(e.found.witness->y_b);
            return out;
          },
          nb::sig("def witness(self) -> dict[str, numpy.typing.NDArray[numpy.float64]] | None"),
          "An input x on which they differ, and what they make of it, where inputs were tried.")
      .def("__bool__", [](const FileEquivalence& e) { return e.found.decision == Decision::same; })
      .def("__repr__",
           [](const FileEquivalence& e) { return "<weft.Equivalence: " + std::string(name(e.found.decision)) + ">"; });
  m.def(
      "same",
      [](const Network& a, const Network& b, std::optional<double> tolerance, bool after_norm, const SpaceOrText& space,
         const std::optional<Path>& architecture, const std::optional<Config>& config) {
        const NetworkReading reading = reading_of(space, architecture, config);
        const LongCall call;
        return compared(a, b, {.tolerance = tolerance, .after_norm = after_norm}, reading);
      },
      "a"_a, "b"_a, "tolerance"_a = nb::none(), "after_norm"_a = false, "space"_a = nb::none(),
      "architecture"_a = nb::none(), "config"_a = nb::none(),
      "Whether two networks, or the files at two paths, compute the same function, as `weft same` decides it.\n\n"
      "The result is true where they do. tolerance: the relative difference that counts as none; else 1e-4, and for "
      "half\n"
      "precision 20 times what its rounding changes. Raises UsageError, FormatError for networks that cannot be "
      "compared.");

  nb::class_<FoldedNetwork>(m, "FoldedNetwork", "A network with its norms in what reads them.")
      .def_ro("network", &FoldedNetwork::network)
      .def_ro("done", &FoldedNetwork::done, "What was folded, in words.")
      .def_ro("left", &FoldedNetwork::left, "What stays, and why.")
      .def_prop_ro(
          "config",
          [](const FoldedNetwork& f) {
            nb::dict out;
            for (const auto& [name, value] : f.config) out[name.c_str()] = from_json(value);
            return out;
          },
          nb::sig("def config(self) -> dict[str, typing.Any]"), "What its config.json says now.");
  m.def("fold", nb::overload_cast<const NetworkFile&>(&fold), "network"_a, nb::call_guard<LongCall>(),
        "Moves norms and shifts into what reads them: the same function, and a larger group. Raises UsageError for a\n"
        "network whose text says no folds.");
}

}  // namespace weft::python
