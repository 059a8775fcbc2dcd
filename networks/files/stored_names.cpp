#include "weft/networks/files/stored_names.h"

#include <algorithm>
#include <charconv>

#include "weft/networks/files/name_pattern.h"

namespace weft {
namespace {

/// The name under a text's renames.
std::string renamed(const Template& text, std::string name) {
  for (const auto& [pattern, replacement] : text.renames())
    if (auto other = replaced(pattern, replacement, name)) name = std::move(*other);
  return name;
}

bool ignored(const Template& text, const std::string& name) {
  return std::any_of(text.ignored().begin(), text.ignored().end(),
                     [&](const std::string& pattern) { return fits(pattern, name); });
}

std::string without_digits(const std::string& name) {
  std::string form;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || form.empty() || form.back() != '0') form += digit ? '0' : c;
  }
  return form;
}

}  // namespace

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n >= 0 ? std::optional(n) : std::nullopt;
}

StoredNames::StoredNames(std::span<const StoredTensor> tensors, const Template& text, const std::string& module)
    : text_(text) {
  for (const StoredTensor& t : tensors) {
    if (!t.name.starts_with(module)) continue;
    const std::string name = t.name.substr(module.size());
    modules_.insert(name.substr(0, name.find('.') + 1));
    of_file_.emplace_back(renamed(text, name), &t);
  }
  for (const std::string& pattern : text.numbered()) renumber(pattern);
  for (const auto& [name, t] : of_file_) {
    shapes.emplace(name, t->shape);
    stored.emplace(name, t);
  }
}

std::string StoredNames::own_name(const std::string& name) const {
  const auto module_is_there = [&](const std::string& of) {
    const std::string first = of.substr(0, of.find('.') + 1);
    return !first.empty() && modules_.contains(first);
  };
  if (module_is_there(name)) return name;
  for (const auto& [pattern, replacement] : text_.renames())
    if (auto other = replaced(replacement, pattern, name); other && module_is_there(*other)) return *other;
  return name;
}

std::vector<std::string> StoredNames::extra(const std::set<std::string>& known) const {
  std::vector<std::string> out;
  std::set<std::string> met;
  for (const auto& [name, t] : of_file_) {
    const bool twice = !met.insert(name).second;
    if (!t->is_weight() || ignored(text_, name)) continue;
    if (twice || !known.contains(name)) out.push_back(t->name);
  }
  return out;
}

/// Numbers without gaps where the pattern has its first star.
void StoredNames::renumber(const std::string& pattern) {
  std::set<std::int64_t> numbers;
  const auto at = [&](const std::string& name) {
    const auto star = first_star(pattern, name);
    return star ? number_of(*star) : std::nullopt;
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

std::vector<std::string> representatives(std::span<const StoredTensor> tensors) {
  std::map<std::string, std::string> first;
  for (const StoredTensor& t : tensors)
    if (t.is_weight()) first.emplace(without_digits(t.name), t.name);
  std::vector<std::string> out;
  for (auto& [form, name] : first) out.push_back(std::move(name));
  return out;
}

std::size_t distinct_but_for_digits(std::span<const std::string> names) {
  std::set<std::string> forms;
  for (const std::string& name : names) forms.insert(without_digits(name));
  return forms.size();
}

std::optional<std::size_t> unlike(const Template& text, const std::vector<std::string>& names,
                                  const std::string& module) {
  // Names that begin with any text are those of anything.
  const bool any = std::any_of(text.tensors().begin(), text.tensors().end(),
                               [](const std::string& pattern) { return pattern.starts_with("**"); });
  if (any || text.tensors().empty()) return {};
  std::vector<std::string> own;
  for (const std::string& name : names)
    if (name.starts_with(module)) own.push_back(renamed(text, name.substr(module.size())));
  const auto named = [&](const std::string& name) {
    return ignored(text, name) || std::any_of(text.tensors().begin(), text.tensors().end(),
                                              [&](const std::string& pattern) { return fits(pattern, name); });
  };
  const auto held = [&](const std::string& pattern) {
    // Of a pattern with numbers the file's name is not the only one.
    return pattern.find_first_of("0123456789") != std::string::npos ||
           std::any_of(own.begin(), own.end(), [&](const std::string& name) { return fits(pattern, name); });
  };
  const auto count = [](const auto& all, const auto& known) {
    return all.size() - std::count_if(all.begin(), all.end(), known);
  };
  return count(own, named) + count(text.required(), held);
}

}  // namespace weft
