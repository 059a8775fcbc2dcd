#include "weft/nn/module.h"

#include <algorithm>

#include <fmt/format.h>

#include "weft/io/checkpoint.h"

namespace weft {

Module::Module(std::string kind) : model_(std::make_shared<Model>()) {
  model_->kind = std::move(kind);
  model_->parts.push_back({});
}

Module::Module(const Module& parent, std::string_view name) : model_(parent.model_), part_(model_->parts.size()) {
  std::string path = parent.full(name);
  if (std::ranges::any_of(model_->parts, [&](const Part& part) { return part.path == path; }))
    throw UsageError("[module] '{}' has a part '{}' already; give this one another name", model_->kind, path);
  model_->parts.push_back({std::move(path), {}});
}

std::string Module::full(std::string_view name) const {
  const std::string& path = model_->parts[part_].path;
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

int Module::add_parameter(std::string_view name, const Shape& shape, Init init, bool trainable,
                          GradientForm form) const {
  return parameters().add(full(name), shape, init, trainable, form);
}

Parameters& Module::parameters() const { return model_->parameters; }
const std::string& Module::kind() const { return model_->kind; }
Module::Facts& Module::facts() const { return model_->parts[part_].facts; }

std::vector<const Module::Part*> Module::parts() const {
  const std::string& own = model_->parts[part_].path;
  std::vector<const Part*> all;
  for (const Part& part : model_->parts)
    if (own.empty() || part.path == own || part.path.starts_with(own + ".")) all.push_back(&part);
  return all;
}

double Module::flops(std::int64_t batch) const {
  double all = 0;
  for (const Part* part : parts())
    if (part->facts.flops) all += part->facts.flops(batch);
  return all;
}

std::string Module::str() const {
  const Parameters& p = parameters();
  const std::vector<const Part*> all = parts();
  // Each parameter belongs to the part with the longest path that its name begins with.
  std::vector<std::vector<int>> own(all.size());
  std::int64_t learned = 0;
  for (int i = 0; i < p.count(); ++i) {
    std::size_t best = all.size();
    for (std::size_t k = 0; k < all.size(); ++k) {
      const std::string& path = all[k]->path;
      const bool within = path.empty() || p.name(i).starts_with(path + ".");
      if (within && (best == all.size() || path.size() > all[best]->path.size())) best = k;
    }
    if (best == all.size()) continue;
    own[best].push_back(i);
    if (p.trainable(i)) learned += p.shape(i).numel();
  }
  const auto& [top, what] = *all[0];
  std::string text = fmt::format("{}: {}{}{} learned numbers, {:.4g} flops a network\n", top.empty() ? kind() : top,
                                 what.text, what.text.empty() ? "" : ", ", learned, flops(1));
  for (std::size_t k = 0; k < all.size(); ++k) {
    const auto& [path, facts] = *all[k];
    if (k > 0 && (!facts.text.empty() || !own[k].empty())) {
      std::int64_t numbers = 0;
      for (const int i : own[k]) numbers += p.shape(i).numel();
      text += fmt::format("  {}: {}, {} numbers", path, facts.text.empty() ? "parameters" : facts.text, numbers);
      text += facts.flops ? fmt::format(", {:.4g} flops\n", facts.flops(1)) : "\n";
    }
    for (const int i : own[k])
      text += fmt::format("    {} {}{}\n", p.name(i).substr(path.empty() ? 0 : path.size() + 1), p.shape(i).str(),
                          p.trainable(i) ? "" : " frozen");
  }
  return text;
}

std::string Module::proof() const {
  std::string text;
  std::vector<const Part*> proved;
  for (const Part* part : parts()) {
    const TermList* list = part->facts.list.get();
    if (!list) continue;
    const auto same = std::ranges::find_if(proved, [&](const Part* other) {
      const TermList& before = *other->facts.list;
      return before.text() == list->text() && before.in() == list->in() && before.out() == list->out();
    });
    if (same != proved.end()) {
      text += fmt::format("{}: as {}\n", part->path, (*same)->path);
      continue;
    }
    proved.push_back(part);
    text += part->path + "\n";
    for (int i = 0; i < static_cast<int>(list->terms().size()); ++i) text += list->proof(i);
  }
  return text;
}

std::vector<std::string> Module::fallbacks() const {
  std::vector<std::string> all;
  for (const Part* part : parts())
    if (const auto& why = part->facts.fallback; why && !why(parameters().backend()).empty())
      all.push_back(fmt::format("'{}' runs operation by operation: {}", part->path, why(parameters().backend())));
  return all;
}

void Module::save(const std::filesystem::path& path, std::string_view config, Metadata metadata) const {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < parameters().count(); ++i)
    tensors.push_back({parameters().name(i), parameters().value(i).placed_on(nullptr)});
  Checkpoint::save(path, kind(), std::string(config), tensors, std::move(metadata));
}

void Module::load(const std::filesystem::path& path, DType dtype, Backend* backend) const {
  load(Checkpoint::open(path), dtype, backend);
}

void Module::load(const Checkpoint& file, DType dtype, Backend* backend) const {
  Parameters& p = parameters();
  std::vector<SafeTensorsEntry> entries;
  for (int i = 0; i < p.count(); ++i)
    entries.push_back({p.name(i), number_type(file.float_dtype(p.name(i))), p.shape(i)});
  file.check(entries);
  if (!p.allocated()) init(RandomKey(0, "load"), dtype, backend);
  for (int i = 0; i < p.count(); ++i) p.value(i).copy_from(file.tensor(p.name(i)).to(p.value(i).dtype()));
  p.changed();
}

}  // namespace weft
