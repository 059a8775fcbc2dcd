#include "weft/apps/config.h"

#include <fstream>

#include <fmt/format.h>

#include "weft/apps/arguments.h"
#include "weft/apps/run_folder.h"
#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft::apps {
namespace {

/// Never part of a file: they are questions, not settings.
bool is_setting(const std::string& name) {
  return name != "help" && name != "help-all" && name != "version" && name != "config" && name != "print-config";
}

std::string text_of(const std::string& path, const std::string& key, const Json& value) {
  if (value.is_structured() || value.is_null())
    throw FormatError("[config] '{}', option '{}': allowed are numbers, texts, true, false and lists of them", path,
                      key);
  return value.is_string() ? bytes_of_text(value.get<std::string>()) : value.dump();
}

/// Numbers stay numbers, true and false what they are; a text that looks like one, say the name of a folder, stays as
/// it is.
Json json_of(const CLI::Option& option, const std::string& text) {
  const std::string type = option.get_type_name();
  if (type.starts_with("BOOLEAN")) return text == "true" || text == "1";
  if (!type.starts_with("INT") && !type.starts_with("UINT") && !type.starts_with("FLOAT")) return utf8_text(text);
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(utf8_text(text));
}

Json value_of(const CLI::Option& option) {
  const std::string text = option.empty() ? option.get_default_str() : option.results().back();
  if (option.get_expected_min() == 0)
    return text == "true" || text == "1" || (!option.empty() && text.empty());  // a flag
  if (option.get_multi_option_policy() != CLI::MultiOptionPolicy::TakeAll) return json_of(option, text);
  Json list = Json::array();
  for (const std::string& item : option.results()) list.push_back(json_of(option, item));
  return list;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> options_of(const std::string& path, const CLI::App& verb) {
  std::ifstream stream(path);
  if (!stream) throw FormatError("[config] '{}' cannot be read; give the file that --print-config wrote", path);
  Json json;
  try {
    json = Json::parse(stream);
  } catch (const Json::exception& error) {
    throw FormatError("[config] '{}' is no JSON: {}", path, plain(error));
  }
  if (json.is_object() && json.contains(options_key)) json = Json(json.at(options_key));
  if (!json.is_object())
    throw FormatError("[config] '{}' holds no JSON object; allowed: {{\"option\": value, …}}", path);
  if (const auto of = json.find("verb"); of != json.end() && *of != name_of(verb))
    throw UsageError("[config] '{}' holds options of weft {}; here is weft {}", path,
                     of->is_string() ? of->get<std::string>() : of->dump(), name_of(verb));
  std::vector<std::pair<std::string, std::string>> options;
  for (const auto& [key, value] : json.items()) {
    if (key == "verb") continue;
    const std::string option = "--" + key;
    if (!is_setting(key) || !verb.get_option_no_throw(option))
      throw UsageError("[config] '{}': weft {} has no option '{}'{} weft {} --help lists them", path, name_of(verb),
                       key, did_you_mean(option, option_names(verb)), name_of(verb));
    if (value.is_array())
      for (const Json& item : value) options.emplace_back(option, text_of(path, key, item));
    else
      options.emplace_back(option, text_of(path, key, value));
  }
  return options;
}

std::string config_text(const CLI::App& verb) {
  Json json;
  json["verb"] = name_of(verb);
  for (const CLI::App* app = &verb; app; app = app->get_parent())
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_lnames().empty() || !is_setting(option->get_lnames()[0])) continue;
      const bool flag = option->get_expected_min() == 0 && !option->get_type_name().starts_with("BOOLEAN");
      if (option->empty() && option->get_default_str().empty() && !flag) continue;
      json[option->get_lnames()[0]] = value_of(*option);
    }
  return json.dump(2);
}

}  // namespace weft::apps
