// Zoos of trained networks on disk.

#include "zoos.h"

#include <algorithm>

#include "arrays.h"

#include "weft/zoo/loader.h"
#include "weft/zoo/readable.h"
#include "weft/zoo/zoo_request.h"

namespace weft::python {
namespace {

ZooPart part_named(std::string_view wanted) {
  for (const ZooPart part : {ZooPart::train, ZooPart::val, ZooPart::test})
    if (wanted == name(part)) return part;
  throw UsageError("[zoo] part '{}'; allowed: 'train', 'val', 'test'", wanted);
}

std::vector<std::int64_t> ids_of(const OpenZoo& zoo, std::string_view part, int split, bool readable) {
  std::vector<std::int64_t> ids = zoo.ids(split, part_named(part));
  if (!readable) return ids;
  const LongCall call;
  const auto read = readable_rows(zoo);
  std::erase_if(ids, [&](std::int64_t id) {
    stop_point();
    return !read(zoo.row(id));
  });
  return ids;
}

/// One of the numbers of all rows.
template <class T, class F>
nb::object column(const std::vector<ZooRow>& rows, const F& value) {
  const Tensor t = Tensor::zeros({static_cast<std::int64_t>(rows.size())}, dtype_of<T>);
  std::ranges::transform(rows, t.data<T>(), [&](const ZooRow& row) { return static_cast<T>(value(row)); });
  return array_of(t);
}

nb::dict rows_of(const OpenZoo& zoo) {
  const std::vector<ZooRow>& rows = zoo.rows();
  const ZooDescription& d = zoo.description();
  nb::dict out;
  const auto whole = [&](const char* name, auto field) {
    out[name] = column<std::int32_t>(rows, [&](const ZooRow& row) { return row.*field; });
  };
  whole("id", &ZooRow::id);
  whole("network", &ZooRow::network);
  whole("epoch", &ZooRow::epoch);
  if (!d.checkpoints.empty()) {
    nb::list names;
    for (const ZooRow& row : rows) names.append(d.checkpoints[static_cast<std::size_t>(row.checkpoint)]);
    out["checkpoint"] = names;
  }
  const auto number = [&](const char* name, double ZooRow::*field) {
    out[name] = column<double>(rows, [&](const ZooRow& row) { return row.*field; });
  };
  if (d.views == 0) {
    number("accuracy", &ZooRow::accuracy);
    number("train_accuracy", &ZooRow::train_accuracy);
  } else {
    number("psnr", &ZooRow::psnr);
  }
  number("loss", &ZooRow::loss);
  whole("diverged", &ZooRow::diverged);
  for (std::size_t s = 0; s < std::tuple_size_v<ZooSplits>; ++s) {
    nb::list parts;
    for (const ZooRow& row : rows) parts.append(name(row.splits[s]));
    out[("split" + std::to_string(s)).c_str()] = parts;
  }
  for (const HyperParameter& h : d.hyper_parameters) {
    nb::list values;
    for (const ZooRow& row : rows) values.append(h.values[static_cast<std::size_t>(row.network)]);
    out[h.name.c_str()] = values;
  }
  return out;
}

std::vector<Tensor> into(const Zoo& zoo, const nb::dict& arrays) {
  std::vector<Tensor> out;
  for (const SpaceTensor& t : zoo.space().tensors()) {
    if (!arrays.contains(t.name.c_str())) throw UsageError("[gather] no array '{}'; wanted: one per tensor", t.name);
    out.push_back(writable_tensor_of(arrays[t.name.c_str()], "gather", t.name));
    if (out.back().dtype() != DType::f32)
      throw DtypeError("[gather] '{}' is {}; allowed: float32", t.name, weft::name(out.back().dtype()));
  }
  return out;
}

ZooWriter::Existing existing_named(std::string_view wanted) {
  using Existing = ZooWriter::Existing;
  for (const auto& [name, existing] :
       {std::pair{"refuse", Existing::refuse}, {"resume", Existing::resume}, {"replace", Existing::replace}})
    if (wanted == name) return existing;
  throw UsageError("[zoo] existing '{}'; allowed: 'refuse', 'resume', 'replace'", wanted);
}

/// Ctrl-C leaves the state after an epoch, and says so.
OpenZoo made(const std::filesystem::path& folder, const ZooRequest& request, ZooWriter::Existing existing) {
  try {
    const nb::gil_scoped_release free;
    make_zoo(folder, request, existing, {.safe_point = check_signals});
    return OpenZoo(folder);
  } catch (nb::python_error& stopped) {
    if (!stopped.matches(PyExc_KeyboardInterrupt)) throw;
    const std::string says = fmt::format(
        "[zoo] '{}' stopped after an epoch, which is kept; existing='resume' goes on from there", folder.string());
    nb::raise_from(stopped, PyExc_KeyboardInterrupt, "%s", says.c_str());
  }
}

void bind_making(nb::module_& m) {
  using Number = std::optional<std::int64_t>;
  m.def(
      "make_zoo",
      [](const std::filesystem::path& folder, const std::string& kind, const std::string& data,
         const std::optional<std::filesystem::path>& data_folder, Number networks, Number images, Number test_images,
         Number epochs, Number batch, Number held_out, bool full_grid, std::uint64_t seed,
         const std::map<std::string, SettingValue>& settings, std::string_view existing) {
        ZooRequest request{.kind = kind,
                           .data = data,
                           .data_folder = data_folder.value_or("").string(),
                           .networks = networks,
                           .images = images,
                           .test_images = test_images,
                           .epochs = epochs,
                           .batch = batch,
                           .held_out = held_out,
                           .full_grid = full_grid,
                           .seed = seed};
        for (const auto& [name, value] : settings) request.settings.set(name, value);
        return made(folder, request, existing_named(existing));
      },
      "folder"_a, "kind"_a = ZooRequest{}.kind, nb::kw_only(), "data"_a = "", "data_folder"_a = nb::none(),
      "networks"_a = nb::none(), "images"_a = nb::none(), "test_images"_a = nb::none(), "epochs"_a = nb::none(),
      "batch"_a = nb::none(), "held_out"_a = nb::none(), "full_grid"_a = false, "seed"_a = 0,
      "settings"_a = std::map<std::string, SettingValue>{}, "existing"_a = "refuse",
      nb::sig("def make_zoo(folder: str | os.PathLike, kind: str = 'cnn', *, data: str = '', data_folder: str | "
              "os.PathLike | None = None, networks: int | None = None, images: int | None = None, test_images: int | "
              "None = None, epochs: int | None = None, batch: int | None = None, held_out: int | None = None, "
              "full_grid: bool = False, seed: int = 0, settings: collections.abc.Mapping[str, bool | int | float | "
              "str] = {}, existing: str = "
              "'refuse') -> Zoo"),
      "Trains a zoo of small networks and writes it: the bytes of `weft zoo make` with the same options.\n\n"
      "    zoo = weft.make_zoo(\"zoo\", \"vit\", data=\"mnist\", data_folder=\"mnist\", networks=50)\n\n"
      "kind: what is trained, of `settings` of its own, and data: on what; `weft zoo make --help` lists them. What is\n"
      "left out is as the kind has it; data that are drawn need no folder. images: images or texts to train on;\n"
      "test_images: to measure accuracies on; held_out: of images, to find the best epoch on. full_grid: of 'vit' and\n"
      "'text' every run of the grid, or the first `networks` of them in an order drawn from the seed.\n"
      "existing: what becomes of a zoo that is there, whole or begun: 'refuse', 'resume', which goes on and ends with\n"
      "the same bytes, or 'replace'. Ctrl-C stops after an epoch of all networks; 'resume' goes on from there.\n"
      "Raises UsageError for what does not fit together and a zoo that is there, FormatError for data that are not\n"
      "what their format says, ReadError where they are missing, DiskError when the disk takes no more.");
}

/// A loader as an iterator over what is left of an epoch.
struct Batches {
  Batches(const Zoo& z, const std::vector<std::int64_t>& ids, std::int64_t batch, std::uint64_t seed)
      : zoo(z), loader(z, ids, {.batch = batch, .seed = seed}) {}

  void begin(std::int64_t epoch) {
    loader.begin(epoch);
    left = loader.batches();
  }
  nb::tuple next() {
    if (left == 0) throw nb::stop_iteration();
    const ZooLoader::Batch* batch = nullptr;
    std::vector<Tensor> own;
    {
      const nb::gil_scoped_release free;
      batch = &loader.next();
      for (const Tensor& t : batch->tensors) own.push_back(t.clone());
    }
    --left;
    return nb::make_tuple(batch->ids, named_arrays(zoo.space(), own));
  }

  Zoo zoo;
  ZooLoader loader;
  std::int64_t left = 0;
};

void bind_loader(nb::module_& m) {
  nb::class_<Batches>(
      m, "ZooLoader",
      "Batches of a zoo's networks, read on a thread of their own while the one before is worked on, in an order of\n"
      "blocks of neighbours that follows from seed and epoch: for zoos larger than the memory.\n\n"
      "    loader = weft.ZooLoader(zoo, zoo.ids(\"train\"), batch=32)\n"
      "    for epoch in range(1, 11):\n"
      "        for ids, weights in loader.begin(epoch):\n"
      "            ...")
      .def(nb::init<const OpenZoo&, const std::vector<std::int64_t>&, std::int64_t, std::uint64_t>(), "zoo"_a, "ids"_a,
           "batch"_a = ZooLoaderConfig{}.batch, "seed"_a = 0,
           nb::sig("def __init__(self, zoo: Zoo, ids: collections.abc.Sequence[int], batch: int = 8, seed: int = 0) -> "
                   "None"),
           "ids in the order of the zoo's rows are read fastest. Raises UsageError for an unknown id, or none.")
      .def(
          "begin",
          [](Batches& b, std::int64_t epoch) -> Batches& {
            const nb::gil_scoped_release free;
            b.begin(epoch);
            return b;
          },
          "epoch"_a, nb::rv_policy::reference_internal,
          "Begins an epoch, 1 or more; iterating gives its batches, (ids, weights by tensors). Returns itself.")
      .def(
          "__len__", [](const Batches& b) { return b.loader.batches(); }, "Batches of an epoch.")
      .def(
          "__iter__", [](nb::handle self) { return nb::borrow(self); }, nb::sig("def __iter__(self) -> ZooLoader"))
      .def("__next__", &Batches::next,
           nb::sig("def __next__(self) -> tuple[list[int], dict[str, numpy.typing.NDArray[numpy.float32]]]"),
           "Raises NumericError for a network that is not finite, ReadError where a shard was moved or cut.");
}

}  // namespace

void bind_zoos(nb::module_& m) {
  bind_making(m);
  nb::class_<OpenZoo>(m, "Zoo", "A complete zoo of trained networks on disk, as `weft zoo make` writes it.")
      .def(
          "__init__", [](OpenZoo* self, const std::filesystem::path& folder) { new (self) OpenZoo(folder); },
          "folder"_a, nb::call_guard<LongCall>(),
          "Opens it and checks all but its weights, which check() reads. Raises DiskError, FormatError.")
      .def(
          "check", [](const OpenZoo& z) { z.check(); }, nb::call_guard<LongCall>(),
          "Reads all weights. Raises NumericError for one that is not finite, FormatError for one that was changed.")
      .def_prop_ro(
          "folder", [](const OpenZoo& z) { return z.folder; }, "Where it was opened, as an absolute path.")
      .def(
          "__reduce__", [](const OpenZoo& z) { return nb::make_tuple(nb::type<OpenZoo>(), nb::make_tuple(z.folder)); },
          nb::sig("def __reduce__(self) -> tuple[type[Zoo], tuple[pathlib.Path]]"),
          "Pickled it is its folder, and is opened anew from there.")
      .def_prop_ro("space", [](const OpenZoo& z) { return z.space(); })
      .def_prop_ro("architecture", [](const OpenZoo& z) { return z.description().architecture; })
      .def_prop_ro("activation", [](const OpenZoo& z) { return z.description().activation; })
      .def_prop_ro(
          "data", [](const OpenZoo& z) { return z.description().data_name; }, "The name of its data set.")
      .def_prop_ro("seed", [](const OpenZoo& z) { return z.description().seed; })
      .def_prop_ro("networks", [](const OpenZoo& z) { return z.description().networks; })
      .def_prop_ro(
          "settings", [](const OpenZoo& z) { return z.description().settings; }, "What else its maker was told.")
      .def_prop_ro(
          "hash", [](const OpenZoo& z) { return z.hash(); }, nb::call_guard<LongCall>(),
          "16 hexadecimal digits: two zoos with the same ones are the same zoo. Reads weights of older zoos only.")
      .def(
          "__len__", [](const OpenZoo& z) { return z.rows().size(); }, "How many rows it has.")
      .def("rows", &rows_of, nb::sig("def rows(self) -> dict[str, typing.Any]"),
           "Its table by columns: id, network, epoch, what was measured, five splits, hyper-parameters. Numbers are\n"
           "arrays, texts are lists.")
      .def(
          "to_pandas",
          [](const OpenZoo& z) -> nb::object {
            try {
              return nb::module_::import_("pandas").attr("DataFrame")(rows_of(z));
            } catch (const nb::python_error& error) {
              if (!error.matches(PyExc_ImportError)) throw;
            }
            throw UsageError("[zoo] to_pandas() needs pandas, which is missing: pip install pandas, or use rows()");
          },
          nb::sig("def to_pandas(self) -> typing.Any"),
          "rows() as a pandas.DataFrame. Raises UsageError without pandas.")
      .def("ids", &ids_of, "part"_a, "split"_a = 0, "readable"_a = false,
           "Those of 'train', 'val' or 'test' of one of the splits 0 to 4, in order of the rows. readable: without\n"
           "networks that diverged, or have a weight beyond 50, which `weft train` leaves out, too; reads all weights\n"
           "of the part. Raises UsageError for another part or split.")
      .def(
          "column",
          [](const OpenZoo& z, const std::vector<std::int64_t>& ids, std::string_view name) {
            return array_of(z.column(ids, name));
          },
          "ids"_a, "name"_a,
          nb::sig("def column(self, ids: collections.abc.Sequence[int], name: str) -> "
                  "numpy.typing.NDArray[numpy.float32]"),
          "A number of some rows: 'accuracy', 'loss', a hyper-parameter. Raises UsageError for another.")
      .def(
          "weights",
          [](const OpenZoo& z, const std::vector<std::int64_t>& ids) {
            std::vector<Tensor> all;
            {
              const LongCall call;
              all = z.weights(ids);
            }
            return named_arrays(z.space(), all);
          },
          "ids"_a,
          nb::sig("def weights(self, ids: collections.abc.Sequence[int]) -> dict[str, "
                  "numpy.typing.NDArray[numpy.float32]]"),
          "The networks of some rows, by tensors: [ids, taps, axes...]. Raises UsageError for an unknown id, "
          "NumericError\n"
          "for weights that are not finite.")
      .def(
          "gather",
          [](const OpenZoo& z, const std::vector<std::int64_t>& ids, nb::dict arrays) {
            const std::vector<Tensor> to = into(z, arrays);
            const nb::gil_scoped_release free;
            z.gather(ids, to);
          },
          "ids"_a, "into"_a,
          nb::sig("def gather(self, ids: collections.abc.Sequence[int], into: dict[str, typing.Any]) -> None"),
          "The same into arrays of these shapes, which are written to. Raises UsageError for one that is read-only.")
      .def_prop_ro(
          "images", [](const OpenZoo& z) { return array_of(z.images(), false); },
          nb::sig("def images(self) -> numpy.typing.NDArray[numpy.uint8]"),
          "The originals that implicit networks store, [images, channels, rows, columns]. Raises UsageError.")
      .def("__repr__", [](const OpenZoo& z) {
        return "<weft.Zoo of " + std::to_string(z.description().networks) + " networks, " +
               z.description().architecture + " on " + z.description().data_name + ">";
      });
  bind_loader(m);
}

}  // namespace weft::python
