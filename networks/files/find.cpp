#include "weft/networks/files/find.h"

#include <algorithm>

#include "weft/core/error.h"
#include "weft/io/text.h"
#include "weft/networks/files/folded_text.h"
#include "weft/networks/files/nearest_text.h"
#include "weft/networks/files/solve.h"

namespace weft {
namespace {

/// The modules that hold all weights, the innermost first: "encoder.rnn.", "encoder.", "".
std::vector<std::string> modules(std::span<const StoredTensor> tensors) {
  std::optional<std::string> common;
  for (const StoredTensor& t : tensors) {
    if (!t.is_weight()) continue;
    if (!common) common = t.name;
    const auto [end, other] = std::mismatch(common->begin(), common->end(), t.name.begin(), t.name.end());
    common->erase(end, common->end());
  }
  std::vector<std::string> out;
  for (std::size_t at = common.value_or("").rfind('.'); at != std::string::npos && at > 0;
       at = common->rfind('.', at - 1)) {
    out.push_back(common->substr(0, at + 1));
    if (out.size() == 8) break;
  }
  out.push_back("");
  return out;
}

/// The copies that folds untie, and what they are copies of.
std::map<std::string, std::string> untied_copies(const FileText& text) {
  std::map<std::string, std::string> out;
  for (const FoldText& fold : text.folds)
    for (const TensorText& t : text.tensors)
      for (const std::string& tie : t.ties)
        if (fold.kind == FoldText::Kind::untie && std::count(fold.of.begin(), fold.of.end(), tie)) out[tie] = t.name;
  return out;
}

/// One module of a file as one of this text.
std::optional<FoundArchitecture> fitted_below(const StoredNetwork& network, const ArchitectureText& text,
                                              const Template& parsed, const std::string& module,
                                              ArchitectureDifference& difference, bool may_untie = true) {
  const StoredNames names(network.tensors, parsed, module);
  FileFacts facts;
  facts.shapes = names.shapes;
  const auto of_file = [&](const std::string& name) {
    const auto at = names.stored.find(name);
    return at == names.stored.end() ? module + names.own_name(name) : at->second->name;
  };
  if (network.equal) facts.equal = [&](const auto& a, const auto& b) { return network.equal(of_file(a), of_file(b)); };
  FoundArchitecture out;
  out.name = text.network_name();
  FileText own;
  try {
    ExpandedText expanded = parsed.expanded(network.config, facts);
    out.told = std::move(expanded.told);
    own = solved(FileText::parse(expanded.text, expanded.lines), names.shapes, out.told);
  } catch (const ParseError& error) {
    difference.open = without_sender(error.what());
    difference.unread = true;
    return {};
  }
  std::set<std::string> known;
  for (const TensorText& t : own.tensors) {
    const auto around = around_index(t.name);
    if (!around) {
      known.insert(t.name);
      known.insert(t.ties.begin(), t.ties.end());
      if (!t.optional && !names.shapes.contains(t.name)) difference.missing.push_back(of_file(t.name));
      continue;
    }
    const auto& [begin, end] = *around;
    bool any = false;
    for (const auto& [name, shape] : names.shapes)
      if (name.size() > begin.size() + end.size() && name.starts_with(begin) && name.ends_with(end) &&
          number_of(std::string_view(name).substr(begin.size(), name.size() - begin.size() - end.size()))) {
        known.insert(name);
        any = true;
      }
    if (!any && !t.optional) difference.missing.push_back(of_file(name_at(t.name, "0")));
  }
  difference.extra = names.extra(known);
  if (!difference.none()) return {};
  // Sizes of what the file lacks may be open.
  std::erase_if(own.tensors,
                [&](const TensorText& t) { return t.optional && !t.index() && !names.shapes.contains(t.name); });
  const std::map<std::string, std::string> copies = untied_copies(own);
  try {
    out.files =
        FileSpace::of(std::move(own)).present([&](const std::string& name) { return names.shapes.contains(name); });
    if (text.folded) out.files = FileSpace::of(folded_text(std::move(out.files.text)));
  } catch (const ParseError& error) {
    difference.open = without_sender(error.what());
    return {};
  }
  for (const FileEntry& file : out.files.files)
    for (const auto* all : {&file.names, &file.ties})
      for (const std::string& name : *all) {
        const auto shape = names.shapes.find(name);
        if (shape == names.shapes.end())
          difference.missing.push_back(of_file(name));
        else if (shape->second != file.shape)
          difference.shapes.push_back(fmt::format("{} is {}, the text says {}", in_quotes(of_file(name)),
                                                  shape->second.str(), file.shape.str()));
      }
  if (!difference.none()) return {};
  out.files = out.files.renamed(of_file);
  if (!copies.empty() && !may_untie) {
    difference.open = fmt::format("its fold unties {}, which is a copy on the other side of the condition, too",
                                  in_quotes(copies.begin()->first));
    return {};
  }
  if (!copies.empty()) {
    // As a file of the same tensors, in which the copies are there and hold other numbers.
    std::vector<StoredTensor> tensors(network.tensors.begin(), network.tensors.end());
    for (const auto& [copy, of] : copies)
      if (!names.shapes.contains(copy)) tensors.push_back({of_file(copy), names.shapes.at(of)});
    const auto other = [](const std::string&, const std::string&) { return false; };
    auto untied = fitted_below({tensors, network.config, other}, text, parsed, module, difference, false);
    if (!untied) return {};
    untied->copies = copies;
    out.untied = std::make_shared<const FoundArchitecture>(std::move(*untied));
  }
  return out;
}

/// A part is looked for below the innermost module first, a whole network as far outside as can be.
std::vector<std::string> modules_of(const StoredNetwork& network, const Template& text) {
  std::vector<std::string> out = modules(network.tensors);
  if (!text.part()) std::reverse(out.begin(), out.end());
  return out;
}

/// The least that the names of one of the file's modules are unlike the text's.
std::optional<std::size_t> least_unlike(const StoredNetwork& network, const Template& text,
                                        const std::vector<std::string>& names) {
  std::optional<std::size_t> least;
  for (const std::string& module : modules_of(network, text)) {
    const auto own = unlike(text, names, module);
    if (!own) return {};
    least = std::min(*own, least.value_or(*own));
  }
  return least;
}

/// The file, or one of its modules where the text is of a part, as one of this text.
std::optional<FoundArchitecture> fitted(const StoredNetwork& network, const ArchitectureText& text,
                                        const Template& parsed, ArchitectureDifference& difference) {
  std::optional<ArchitectureDifference> nearest;
  for (const std::string& module : modules_of(network, parsed)) {
    ArchitectureDifference own;
    if (auto found = fitted_below(network, text, parsed, module, own)) return found;
    if (!nearest || own.nearer_than(*nearest)) nearest = std::move(own);
  }
  difference = std::move(*nearest);
  return {};
}

}  // namespace

std::optional<FoundArchitecture> fitted(const StoredNetwork& network, const ArchitectureText& text,
                                        ArchitectureDifference& difference) {
  return fitted(network, text, text.parsed(), difference);
}

FoundArchitecture found_architecture(const StoredNetwork& network, std::span<const ArchitectureText> texts) {
  const std::vector<std::string> names = representatives(network.tensors);
  const Json* type = network.config.find("model_type");
  // First what the config names, then what may have these names; all others only for what is said where none fits.
  struct Candidate {
    const ArchitectureText* text;
    std::optional<std::size_t> unlike;  ///< how many names are
  };
  std::vector<Candidate> meant, likely, others;
  for (const ArchitectureText& text : texts) {
    const Template& parsed = text.parsed();
    if (type && type->text() && (parsed.is_model(*type->text()) || text.name == *type->text())) {
      meant.push_back({&text, 0});
    } else if (texts.size() == 1 || !parsed.requested()) {
      const auto names_unlike = least_unlike(network, parsed, names);
      (names_unlike.value_or(0) == 0 ? likely : others).push_back({&text, names_unlike});
    }
  }
  NearestText nearest(network);
  for (const auto* group : {&meant, &likely, &others}) {
    std::vector<FoundArchitecture> found, parts;  // a text of a whole network says more than one of a part
    for (const auto& [text, names_unlike] : *group) {
      const bool others_model = type && type->text() && group != &meant && text->parsed().of_models();
      ArchitectureDifference difference;
      if (auto own = fitted(network, *text, text->parsed(), difference)) {
        // A text of weft for the config's own model says that the file is none of another.
        if (others_model && !meant.empty()) continue;
        if (others_model && texts.size() > 1) own->doubt = *type->text();
        (text->parsed().part() ? parts : found).push_back(std::move(*own));
      } else
        nearest.add(*text, names_unlike, std::move(difference));
      if (group == &meant && !(found.empty() && parts.empty())) break;
    }
    if (found.empty()) found = std::move(parts);
    if (found.size() == 1) return std::move(found[0]);
    if (found.empty()) continue;
    std::vector<std::string> fitting;
    for (const FoundArchitecture& f : found) fitting.push_back(f.name);
    throw FormatError("[architecture] the file fits several architectures: {}; say which one it is",
                      fmt::join(fitting, ", "));
  }
  nearest.fail();
}

}  // namespace weft
