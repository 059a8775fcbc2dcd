#include "weft/zoo/describe_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft {
namespace {

/// A space's tensor as its text has it: "[h, in*; taps=3x3]".
std::string axes_text(const Space& space, const SpaceTensor& t) {
  std::vector<std::string> axes;
  for (const SpaceAxis& axis : t.axes) axes.push_back(space.str(axis));
  return fmt::format("[{}{}]", fmt::join(axes, ", "),
                     t.taps() == 1 ? "" : fmt::format("; taps={}x{}", t.tap_rows, t.tap_columns));
}

Json list(const std::vector<std::string>& texts) { return Json::List(texts.begin(), texts.end()); }

}  // namespace

std::vector<EntryDescription> described_entries(const NetworkSource& source) {
  const FileSpace& files = source.architecture.files;
  std::vector<EntryDescription> out;
  for (std::size_t i = 0; i < files.files.size(); ++i) {
    const FileEntry& entry = files.files[i];
    out.push_back({&entry,
                   files.text.tensors.empty() ? entry.names[0] : files.text.tensors[i].name,
                   name(source.file.tensor(entry.names[0]).type),
                   {},
                   {}});
  }
  for (std::size_t t = 0; t < files.windows.size(); ++t) {
    EntryDescription& entry = out[static_cast<std::size_t>(files.windows[t].file)];
    entry.names.push_back(source.space().tensors()[t].name);
    entry.axes.push_back(axes_text(source.space(), source.space().tensors()[t]));
  }
  return out;
}

Json describe(const NetworkSource& source) {
  const FoundArchitecture& architecture = source.architecture;
  const Space& space = source.space();
  Json::Object told;
  for (const auto& [name, value] : architecture.told) told.emplace_back(name, value);
  Json::List tensors, factors;
  for (const EntryDescription& e : described_entries(source)) {
    Json::List windows, shape;
    for (std::size_t i = 0; i < e.names.size(); ++i)
      windows.emplace_back(Json::Object{{"name", e.names[i]}, {"axes", e.axes[i]}});
    for (int k = 0; k < e.entry->shape.rank(); ++k) shape.emplace_back(e.entry->shape[k]);
    Json::Object tensor{
        {"name", e.entry->names[0]}, {"type", e.type}, {"shape", std::move(shape)}, {"windows", std::move(windows)}};
    if (e.entry->indexed) tensor.emplace_back("names", list(e.entry->names));
    if (!e.entry->ties.empty()) tensor.emplace_back("ties", list(e.entry->ties));
    if (e.entry->plus) tensor.emplace_back("plus", e.entry->plus);
    tensors.emplace_back(std::move(tensor));
  }
  for (int f = 0; f < std::ssize(space.factors()); ++f) {
    const Factor& factor = space.factors()[static_cast<std::size_t>(f)];
    Json::Object json{{"name", factor.name}, {"kind", factor.kind->name}, {"size", factor.size}};
    if (!factor.per.empty()) json.emplace_back("per", factor.per);
    if (!factor.along.empty()) json.emplace_back("along", factor.along);
    json.emplace_back("copies", space.copies(f));
    json.emplace_back("dimension", space.dimension(f));
    factors.emplace_back(std::move(json));
  }
  return Json::Object{{"format", source.file.format()},
                      {"architecture", architecture.name.empty() ? Json() : Json(architecture.name)},
                      {"told_by_the_file", std::move(told)},
                      {"notes", list(architecture.files.text.notes)},
                      {"parameters", space.parameters()},
                      {"dimension", space.dimension()},
                      {"tensors", std::move(tensors)},
                      {"factors", std::move(factors)},
                      {"not_covered", list(uncovered(source.file, architecture.files))},
                      {"space", space.str()}};
}

}  // namespace weft
