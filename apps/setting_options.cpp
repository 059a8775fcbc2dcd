#include "weft/apps/setting_options.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/numbers.h"

namespace weft::apps {

std::string option_name(const std::string& setting) {
  std::string name = "--" + setting;
  std::ranges::replace(name, '_', '-');
  return name;
}

Json to_json(const SettingValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

std::string SettingOptions::names_of(const std::vector<std::string>& owners) const {
  const auto first = [](const std::string& owner) { return owner.substr(0, owner.find('-')); };
  const auto last = [](const std::string& owner) { return owner.substr(owner.rfind('-') + 1); };
  // Whether all that have this word of the owner's are there, and more than one.
  const auto together = [&](const std::string& owner, const auto& word) {
    const auto related = [&](const std::string& other) { return word(other) == word(owner); };
    const auto all = std::ranges::count_if(owners_, related);
    return all > 1 && std::ranges::count_if(owners, related) == all;
  };
  const auto of_a_family = [&](const std::string& owner) { return together(owner, first); };
  std::vector<std::string> names;
  for (const std::string& owner : owners) {
    const auto relative = [&](const std::string& other) { return last(other) == last(owner) && of_a_family(other); };
    std::string name = owner;
    if (of_a_family(owner))
      name = first(owner) + "-*";
    else if (together(owner, last) && std::ranges::none_of(owners, relative))
      name = "*" + last(owner);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// "magep, statnn, mlp: width of the two hidden layers; usual: 1000, for magep 500"
std::string SettingOptions::text_of(const Entry& entry) const {
  std::vector<std::string> all;
  std::vector<std::pair<SettingValue, std::vector<std::string>>> by_value;
  for (const auto& [owner, usual] : entry.usual) {
    all.push_back(owner);
    auto same = std::ranges::find(by_value, usual, [](const auto& v) { return v.first; });
    if (same == by_value.end()) same = by_value.insert(by_value.end(), {usual, {}});
    same->second.push_back(owner);
  }
  const auto most = std::ranges::max_element(by_value, {}, [](const auto& v) { return v.second.size(); });
  std::string text = all.size() < owners_.size() ? names_of(all) + ": " : "";
  text += entry.setting.text + "; usual: " + str(most->first);
  for (const auto& value : by_value)
    if (&value != &*most) text += fmt::format(", for {} {}", names_of(value.second), str(value.first));
  return text;
}

void SettingOptions::add(const std::string& owner, const std::vector<Setting>& settings) {
  owners_.push_back(owner);
  for (const Setting& s : settings) {
    const auto known = std::ranges::find(entries_, s.name, [](const Entry& e) { return e.setting.name; });
    if (known != entries_.end()) {
      known->usual.emplace_back(owner, s.usual);
      continue;
    }
    Entry& entry = entries_.emplace_back(Entry{s, {{owner, s.usual}}, std::make_shared<std::string>(), nullptr});
    const std::string name = option_name(s.name);
    const auto low = static_cast<std::int64_t>(std::max(s.low, -1e18)),
               high = static_cast<std::int64_t>(std::min(s.high, 1e18));
    entry.option = verb_.add_option(name, *entry.given)->default_str("");
    if (std::holds_alternative<std::int64_t>(s.usual))
      entry.option->type_name("INT")->transform(whole<std::int64_t>(low, high, s.why));
    else if (std::holds_alternative<double>(s.usual))
      entry.option->type_name("FLOAT")->check(s.low == std::numeric_limits<double>::min() ? positive(s.high, s.why)
                                                                                          : real(s.low, s.high, s.why));
    else if (std::holds_alternative<bool>(s.usual))
      entry.option->type_name("BOOLEAN")->expected(0, 1)->check(CLI::Validator(
          [name](const std::string& text) {
            return text == "true" || text == "false"
                       ? ""
                       : fmt::format("{}; allowed: true, false; write {}=true before a place", text, name);
          },
          ""));
    else if (!s.allowed.empty())
      entry.option->check(CLI::IsMember(s.allowed));
    entry.option->run_callback_for_default(false);
  }
  for (const Entry& entry : entries_) entry.option->description(text_of(entry));
}

std::vector<std::string> SettingOptions::take(Settings& settings) const {
  std::vector<std::string> given;
  for (const Entry& entry : entries_) {
    const std::string& name = entry.setting.name;
    if (!settings.has(name)) continue;
    if (entry.option->empty()) {
      entry.option->default_str(str(settings.value(name)));
      continue;
    }
    const std::string& text = *entry.given;
    if (std::holds_alternative<std::int64_t>(entry.setting.usual))
      settings.set(name, std::int64_t{std::strtoll(text.c_str(), nullptr, 10)});
    else if (std::holds_alternative<double>(entry.setting.usual))
      settings.set(name, std::strtod(text.c_str(), nullptr));
    else if (std::holds_alternative<bool>(entry.setting.usual))
      settings.set(name, text != "false");
    else
      settings.set(name, text);
    given.push_back(name);
  }
  return given;
}

void SettingOptions::require(const std::vector<std::string>& taken, const std::string& who,
                             const std::string& owner) const {
  for (const Entry& entry : entries_) {
    if (entry.option->empty() || std::ranges::find(taken, entry.setting.name) != taken.end()) continue;
    std::string owners;
    for (const auto& [name, usual] : entry.usual) owners += (owners.empty() ? "" : ", ") + name;
    throw UsageError("[{}] {} is no setting of {}; allowed: with {}", who, option_name(entry.setting.name), owner,
                     owners);
  }
}

}  // namespace weft::apps
