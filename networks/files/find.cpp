#include "weft/networks/files/find.h"

#include <algorithm>
#include <charconv>

#include "weft/core/error.h"
#include "weft/networks/files/folded_text.h"
#include "weft/networks/files/solve.h"

namespace weft {
namespace {

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n >= 0 ? std::optional(n) : std::nullopt;
}

/// The file's tensors under the names that a text has for them, below a module.
class Names {
 public:
  Names(const StoredNetwork& network, const Template& text, const std::string& module) : text_(text) {
    for (const StoredTensor& t : network.tensors) {
      if (!t.name.starts_with(module)) continue;
      std::string name = t.name.substr(module.size());
      for (const auto& [pattern, replacement] : text.renames())
        name = replaced(pattern, replacement, name).value_or(std::move(name));
      of_file_.emplace_back(std::move(name), &t);
    }
    for (const std::string& pattern : text.numbered()) renumber(pattern);
    for (const auto& [name, t] : of_file_) {
      shapes.emplace(name, t->shape);
      stored.emplace(name, t);
    }
  }

  FileShapes shapes;
  std::map<std::string, const StoredTensor*> stored;

  /// Names of the file that the text has no tensor for and that it does not ignore.
  std::vector<std::string> extra(const std::set<std::string>& known) const {
    std::vector<std::string> out;
    std::set<std::string> met;
    for (const auto& [name, t] : of_file_) {
      const bool twice = !met.insert(name).second;
      const auto ignored = [&, own = name](const std::string& pattern) { return fits(pattern, own); };
      if (!t->weights || std::any_of(text_.ignored().begin(), text_.ignored().end(), ignored)) continue;
      if (twice || !known.contains(name)) out.push_back(t->name);
    }
    return out;
  }

 private:
  /// Numbers without gaps where the pattern has its first star.
  void renumber(const std::string& pattern) {
    std::set<std::int64_t> numbers;
    const auto at = [&](const std::string& name) {
      const auto star = first_star(pattern, name);
      return star ? number(*star) : std::nullopt;
    };
    for (const auto& [name, t] : of_file_)
      if (const auto n = at(name)) numbers.insert(*n);
    const std::size_t star = pattern.find('*');
    for (auto& [name, t] : of_file_)
      if (const auto n = at(name)) {
        const auto rank = std::distance(numbers.begin(), numbers.find(*n));
        name.replace(star, first_star(pattern, name)->size(), std::to_string(rank));
      }
  }

  const Template& text_;
  std::vector<std::pair<std::string, const StoredTensor*>> of_file_;
};

/// The modules that hold all tensors, the innermost first: "encoder.rnn.", "encoder.", "".
std::vector<std::string> modules(std::span<const StoredTensor> tensors) {
  std::string common = tensors.empty() ? "" : tensors[0].name;
  for (const StoredTensor& t : tensors) {
    const auto [end, other] = std::mismatch(common.begin(), common.end(), t.name.begin(), t.name.end());
    common.erase(end, common.end());
  }
  std::vector<std::string> out;
  for (std::size_t at = common.rfind('.'); at != std::string::npos && at > 0; at = common.rfind('.', at - 1)) {
    out.push_back(common.substr(0, at + 1));
    if (out.size() == 8) break;
  }
  out.push_back("");
  return out;
}

/// Of an error within one that begins alike.
std::string without_prefix(std::string_view message) {
  static constexpr std::string_view prefix = "[architecture] ";
  return std::string(message.starts_with(prefix) ? message.substr(prefix.size()) : message);
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
                                              ArchitectureDifference& difference) {
  const Names names(network, parsed, module);
  FileFacts facts;
  for (const auto& [name, shape] : names.shapes) facts.names.insert(name);
  const auto of_file = [&](const std::string& name) {
    const auto at = names.stored.find(name);
    return at == names.stored.end() ? module + name : at->second->name;
  };
  if (network.equal) facts.equal = [&](const auto& a, const auto& b) { return network.equal(of_file(a), of_file(b)); };
  FoundArchitecture out;
  out.name = text.name + (text.folded ? "_folded" : "");
  FileText own;
  try {
    ExpandedText expanded = parsed.expanded(network.config, facts);
    own = FileText::parse(expanded.text, expanded.lines);
    out.told = std::move(expanded.told);
  } catch (const ParseError& error) {
    difference.open = without_prefix(error.what());
  }
  own = solved(std::move(own), names.shapes, out.told);
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
          number(std::string_view(name).substr(begin.size(), name.size() - begin.size() - end.size()))) {
        known.insert(name);
        any = true;
      }
    if (!any && !t.optional) difference.missing.push_back(of_file(name_at(t.name, "0")));
  }
  difference.extra = names.extra(known);
  if (!difference.none()) return {};
  const std::map<std::string, std::string> copies = untied_copies(own);
  try {
    out.files =
        FileSpace::of(std::move(own)).present([&](const std::string& name) { return names.shapes.contains(name); });
    if (text.folded) out.files = FileSpace::of(folded_text(std::move(out.files.text)));
  } catch (const ParseError& error) {
    difference.open = without_prefix(error.what());
    return {};
  }
  for (const FileEntry& file : out.files.files)
    for (const auto* all : {&file.names, &file.ties})
      for (const std::string& name : *all) {
        const auto shape = names.shapes.find(name);
        if (shape == names.shapes.end())
          difference.missing.push_back(of_file(name));
        else if (shape->second != file.shape)
          difference.shapes.push_back(
              fmt::format("'{}' is {}, the text says {}", of_file(name), shape->second.str(), file.shape.str()));
      }
  if (!difference.none()) return {};
  out.files = out.files.renamed(of_file);
  if (!copies.empty()) {
    // As a file of the same tensors, in which the copies are there and hold other numbers.
    std::vector<StoredTensor> tensors(network.tensors.begin(), network.tensors.end());
    for (const auto& [copy, of] : copies)
      if (!names.shapes.contains(copy)) tensors.push_back({of_file(copy), names.shapes.at(of)});
    const auto other = [](const std::string&, const std::string&) { return false; };
    auto untied = fitted_below({tensors, network.config, other}, text, parsed, module, difference);
    if (!untied) return {};
    untied->copies = copies;
    out.untied = std::make_shared<const FoundArchitecture>(std::move(*untied));
  }
  return out;
}

/// The file, or one of its modules where the text is of a part, as one of this text.
std::optional<FoundArchitecture> fitted(const StoredNetwork& network, const ArchitectureText& text,
                                        const Template& parsed, ArchitectureDifference& difference) {
  std::optional<ArchitectureDifference> nearest;
  for (const std::string& module : parsed.part() ? modules(network.tensors) : std::vector<std::string>{""}) {
    ArchitectureDifference own;
    if (auto found = fitted_below(network, text, parsed, module, own)) return found;
    if (!nearest || own.count() < nearest->count()) nearest = std::move(own);
  }
  difference = std::move(*nearest);
  return {};
}

std::string few(const std::vector<std::string>& all, bool quoted) {
  constexpr std::size_t most = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i)
    text += (i ? ", " : "") + (quoted ? "'" + all[i] + "'" : all[i]);
  return all.size() > most ? fmt::format("{} and {} more", text, all.size() - most) : text;
}

}  // namespace

std::string ArchitectureDifference::str() const {
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back("the file lacks " + few(missing, true));
  if (!extra.empty()) parts.push_back("the text lacks " + few(extra, true));
  if (!shapes.empty()) parts.push_back(few(shapes, false));
  if (!open.empty()) parts.push_back(open);
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::optional<FoundArchitecture> fitted(const StoredNetwork& network, const ArchitectureText& text,
                                        ArchitectureDifference& difference) {
  return fitted(network, text, text.parsed(), difference);
}

FoundArchitecture found_architecture(const StoredNetwork& network, std::span<const ArchitectureText> texts) {
  std::vector<FoundArchitecture> found;
  std::string nearest_name;
  std::optional<ArchitectureDifference> nearest;
  const Json* type = network.config.find("model_type");
  for (const ArchitectureText& text : texts) {
    const Template parsed = text.parsed();
    const bool meant = type && type->text() && parsed.is_model(*type->text());
    if (texts.size() > 1 && parsed.requested() && !meant) continue;
    ArchitectureDifference difference;
    if (auto own = fitted(network, text, parsed, difference)) {
      if (meant) return std::move(*own);
      found.push_back(std::move(*own));
    } else if (!nearest || difference.count() < nearest->count()) {
      nearest_name = text.name;
      nearest = std::move(difference);
    }
  }
  if (found.size() == 1) return std::move(found[0]);
  if (found.size() > 1) {
    std::string names;
    for (const FoundArchitecture& f : found) names += (names.empty() ? "" : ", ") + f.name;
    throw FormatError("[architecture] the file fits several architectures: {}; say which one it is", names);
  }
  if (!nearest) throw UsageError("[architecture] no text to compare with");
  if (nearest->count() == 0)
    throw FormatError("[architecture] the file has the tensors of '{}', but {}", nearest_name, nearest->open);
  throw FormatError("[architecture] the file fits no architecture; nearest is '{}': {}", nearest_name, nearest->str());
}

}  // namespace weft
