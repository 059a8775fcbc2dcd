#include "weft/apps/config.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft::apps {
namespace {

using Json = nlohmann::ordered_json;

/// Never part of a file: they are questions, not settings.
bool is_setting(const std::string& name) {
  return name != "help" && name != "help-all" && name != "version" && name != "config" && name != "print-config";
}

using Options = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const std::string& path, const std::string& key, const Json& value) {
  if (value.is_structured() || value.is_null())
    throw FormatError("[config] '{}', option '{}': allowed are numbers, texts, true, false and lists of them", path,
                      key);
  return value.is_string() ? bytes_of_text(value.get<std::string>()) : value.dump();
}

Options options_of(const std::string& path, const CLI::App& verb) {
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
  Options options;
  for (const auto& [key, value] : json.items()) {
    if (key == "verb") continue;
    const std::string option = "--" + key;
    if (!is_setting(key) || !verb.get_option_no_throw(option))
      throw UsageError("[config] '{}': weft {} has no option '{}'; weft {} --help lists them", path, name_of(verb), key,
                       name_of(verb));
    if (value.is_array())
      for (const Json& item : value) options.emplace_back(option, text_of(path, key, item));
    else
      options.emplace_back(option, text_of(path, key, value));
  }
  return options;
}

/// Numbers stay numbers.
Json json_of(const std::string& text) {
  const Json number = Json::parse(text, nullptr, false);
  return number.is_number() ? number : Json(utf8_text(text));
}

Json value_of(const CLI::Option& option) {
  const std::string text = option.empty() ? option.get_default_str() : option.results().back();
  if (option.get_expected_min() == 0) return text == "true" || text == "1";  // a flag
  if (option.get_multi_option_policy() != CLI::MultiOptionPolicy::TakeAll) return json_of(text);
  Json list = Json::array();
  for (const std::string& item : option.results()) list.push_back(json_of(item));
  return list;
}

}  // namespace

const CLI::App& verb_of(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* verb = &app;
  for (std::size_t at = 0;; ++at) {
    const auto verbs = verb->get_subcommands([](const CLI::App*) { return true; });
    // Options such as --help may stand where a verb is to come.
    if (verbs.empty() ||
        (at < arguments.size() && arguments[at].starts_with("-") && verb->get_option_no_throw(arguments[at])))
      return *verb;
    const auto next = std::find_if(verbs.begin(), verbs.end(), [&](const CLI::App* v) {
      return at < arguments.size() && v->get_name() == arguments[at];
    });
    if (next == verbs.end()) {
      std::string allowed;
      for (const CLI::App* v : verbs) allowed += (allowed.empty() ? "" : ", ") + v->get_name();
      const std::string before = name_of(*verb);
      throw UsageError("[weft] {}{}; allowed: {}; weft{}{} --help says more", before.empty() ? "" : before + ": ",
                       at < arguments.size() ? fmt::format("no verb '{}'", arguments[at]) : "no verb given", allowed,
                       before.empty() ? "" : " ", before);
    }
    verb = *next;
  }
}

std::string name_of(const CLI::App& verb) {
  if (!verb.get_parent()) return "";
  const std::string before = name_of(*verb.get_parent());
  return before.empty() ? verb.get_name() : before + " " + verb.get_name();
}

std::vector<std::string> with_config_files(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> given(argv + 1, argv + argc), files, arguments;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == "--config" && i + 1 < given.size())
      files.push_back(given[++i]);
    else if (given[i].starts_with("--config="))
      files.push_back(given[i].substr(9));
    else
      arguments.push_back(given[i]);
  }
  const CLI::App& verb = verb_of(app, arguments);
  const std::vector<std::string> by_hand = arguments;
  for (const std::string& file : files)
    for (const auto& [option, value] : options_of(file, verb)) {
      const bool wins = std::any_of(by_hand.begin(), by_hand.end(), [&](const std::string& argument) {
        return argument == option || argument.starts_with(option + "=");
      });
      if (!wins) arguments.push_back(option + "=" + value);
    }
  return arguments;
}

std::string config_text(const CLI::App& verb) {
  Json json;
  json["verb"] = name_of(verb);
  for (const CLI::App* app = &verb; app; app = app->get_parent())
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_lnames().empty() || !is_setting(option->get_lnames()[0])) continue;
      if (option->empty() && option->get_default_str().empty() && option->get_expected_min() != 0) continue;
      json[option->get_lnames()[0]] = value_of(*option);
    }
  return json.dump(2);
}

}  // namespace weft::apps
