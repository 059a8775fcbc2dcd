#include "weft/apps/config.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "weft/core/error.h"

namespace weft::apps {
namespace {

using Json = nlohmann::ordered_json;

/// Never part of a file: they are questions, not settings.
bool is_setting(const std::string& name) {
  return name != "help" && name != "help-all" && name != "version" && name != "config" && name != "print-config";
}

std::vector<std::string> options_of(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw FormatError("[config] '{}' cannot be read; give the file that --print-config wrote", path);
  Json json;
  try {
    json = Json::parse(stream);
  } catch (const Json::exception& error) {
    throw FormatError("[config] '{}' is no JSON: {}", path, error.what());
  }
  if (!json.is_object())
    throw FormatError("[config] '{}' holds no JSON object; allowed: {{\"option\": value, …}}", path);
  std::vector<std::string> options;
  for (const auto& [key, value] : json.items()) {
    if (key == "verb") continue;
    if (value.is_structured() || value.is_null())
      throw FormatError("[config] '{}', option '{}': allowed are numbers, texts, true and false", path, key);
    options.push_back("--" + key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return options;
}

Json value_of(const CLI::Option& option) {
  const bool flag = option.get_expected_min() == 0;
  std::string text;
  if (!option.empty())
    text = option.results().back();
  else
    text = option.get_default_str();
  if (flag) return text == "true" || text == "1";
  // Numbers stay numbers.
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(text);
}

}  // namespace

std::vector<std::string> with_config_files(int argc, char** argv) {
  std::vector<std::string> given(argv + 1, argv + argc), from_files, rest;
  for (std::size_t i = 0; i < given.size(); ++i) {
    std::string path;
    if (given[i] == "--config" && i + 1 < given.size())
      path = given[++i];
    else if (given[i].starts_with("--config="))
      path = given[i].substr(9);
    if (path.empty()) {
      rest.push_back(given[i]);
      continue;
    }
    for (std::string& option : options_of(path)) from_files.push_back(std::move(option));
  }
  // Behind the verb's last word ("zoo make"), before the first option.
  auto at = rest.begin();
  while (at != rest.end() && !at->starts_with("-")) ++at;
  rest.insert(at, from_files.begin(), from_files.end());
  return rest;
}

std::string config_text(const CLI::App& verb) {
  Json json;
  std::string name = verb.get_name();
  for (const CLI::App* parent = verb.get_parent(); parent->get_parent(); parent = parent->get_parent())
    name = parent->get_name() + " " + name;
  json["verb"] = name;
  for (const CLI::App* app = &verb; app; app = app->get_parent())
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_lnames().empty() || !is_setting(option->get_lnames()[0])) continue;
      if (option->empty() && option->get_default_str().empty() && option->get_expected_min() != 0) continue;
      json[option->get_lnames()[0]] = value_of(*option);
    }
  return json.dump(2);
}

}  // namespace weft::apps
