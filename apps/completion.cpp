// Completion for bash, zsh and fish.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/arguments.h"
#include "weft/apps/generate.h"

namespace weft::apps {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

std::vector<std::string> names_below(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : verbs_below(app)) names.push_back(verb->get_name());
  return names;
}

/// Options with a name, once each: "--zoo".
std::vector<std::pair<std::string, const CLI::Option*>> named_options(const CLI::App& verb) {
  std::vector<std::pair<std::string, const CLI::Option*>> all;
  for (const CLI::Option* option : verb.get_options())
    if (!option->get_lnames().empty()) all.emplace_back("--" + option->get_lnames()[0], option);
  return all;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// zsh

std::string zsh_quoted(const std::string& text) {
  std::string out;
  for (const char c : first_line(text))
    out += c == '[' || c == ']' || c == ':' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return replaced(out, "'", "'\\''");
}

std::string zsh_function(const CLI::App& verb) { return "_weft_" + replaced(name_of(verb), " ", "_"); }

std::string zsh_values(const CLI::Option& option) {
  if (const auto choices = choices_of(option); !choices.empty()) return fmt::format("({})", fmt::join(choices, " "));
  return is_path(option) ? "_files" : "";
}

std::string zsh_arguments(const CLI::App& verb) {
  std::string out = "  _arguments -S";
  for (const auto& [name, option] : named_options(verb)) {
    const std::string what = zsh_quoted(option->get_description());
    out += is_flag(*option) ? fmt::format(" \\\n    '{}[{}]'", name, what)
                            : fmt::format(" \\\n    '*{}=[{}]:{}:{}'", name, what, name.substr(2), zsh_values(*option));
  }
  for (const CLI::Option* option : verb.get_options())
    if (option->get_positional() && option->get_lnames().empty())
      out += fmt::format(" \\\n    ':{}:{}'", zsh_quoted(option->get_single_name()), zsh_values(*option));
  return out + " \\\n    '*:file:_files'\n";
}

std::string zsh_verbs(const CLI::App& app) {
  std::string out;
  for (const CLI::App* verb : verbs_below(app))
    out += fmt::format(" \\\n    '{}:{}'", verb->get_name(), zsh_quoted(verb->get_description()));
  return out;
}

// fish

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(first_line(text), "\\", "\\\\"), "'", "\\'") + "'";
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> paths;
  std::string below = fmt::format("    \"\") words=\"{} --help --version\" ;;\n", fmt::join(names_below(app), " ")),
              values;
  for (const CLI::App* verb : all_verbs_and_groups(app)) {
    const std::string path = name_of(*verb);
    paths.push_back('"' + path + '"');
    if (!verbs_below(*verb).empty()) {
      below += fmt::format("    \"{}\") words=\"{} --help\" ;;\n", path, fmt::join(names_below(*verb), " "));
      continue;
    }
    std::vector<std::string> names;
    for (const auto& [name, option] : named_options(*verb)) {
      names.push_back(name);
      if (is_flag(*option)) continue;
      const auto choices = choices_of(*option);
      const char* other = is_path(*option) ? "return" : "compopt +o default 2> /dev/null; return";
      values += choices.empty()
                    ? fmt::format("    \"{} {}\") {} ;;\n", path, name, other)
                    : fmt::format("    \"{} {}\") COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return ;;\n", path,
                                  name, fmt::join(choices, " "));
    }
    std::string main;
    for (const CLI::Option* option : verb->get_options())
      if (option->get_positional())
        for (const std::string& choice : choices_of(*option)) main += choice + " ";
    below += fmt::format("    \"{}\") words=\"{}\" main=\"{}\" ;;\n", path, fmt::join(names, " "), main);
  }
  return fmt::format(R"(# bash completion for weft; made from its parser.
_weft() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} verb="" words="" main="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$verb${{verb:+ }}${{COMP_WORDS[i]}}" in
    {}) verb="$verb${{verb:+ }}${{COMP_WORDS[i]}}" ;;
    *) break ;;
    esac
  done
  case "$verb $before" in
{}  esac
  case "$verb" in
{}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif [[ $words == [a-z]* ]]; then # verbs are to come
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    compopt +o default 2> /dev/null
  else
    COMPREPLY=($(compgen -W "$main" -- "$word")) # and files, where none fits
  fi
}}
complete -o default -F _weft weft
)",
                     fmt::join(paths, "|"), values, below);
}

std::string zsh_completion(const CLI::App& app) {
  std::string functions;
  for (const CLI::App* verb : all_verbs_and_groups(app)) {
    const bool group = !verbs_below(*verb).empty();
    functions += fmt::format(
        "{}() {{\n{}}}\n\n", zsh_function(*verb),
        group ? fmt::format("  _weft_verbs {}{}\n", zsh_function(*verb), zsh_verbs(*verb)) : zsh_arguments(*verb));
  }
  return fmt::format(R"(#compdef weft
# zsh completion for weft; made from its parser.

# The verbs below one, or what the one that was given takes.
_weft_verbs() {{
  local prefix=$1
  shift
  if (( CURRENT == 2 )); then
    local -a verbs=("$@")
    _describe -t verbs verb verbs
  else
    local verb=$words[2]
    shift words
    (( CURRENT-- ))
    (( $+functions[${{prefix}}_$verb] )) && ${{prefix}}_$verb
  fi
}}

{}_weft() {{
  _weft_verbs _weft{}
}}

_weft "$@"
)",
                     functions, zsh_verbs(app));
}

std::string fish_completion(const CLI::App& app) {
  std::string out = R"(# fish completion for weft; made from its parser.
# Whether these words, and no verb below them, or just these words, follow on the program's name.
function __weft_in
    set -l words (commandline -opc)
    test (count $words) -gt (count $argv); or return 1
    for i in (seq (count $argv))
        test "$words[(math $i + 1)]" = "$argv[$i]"; or return 1
    end
end
function __weft_at
    test (count (commandline -opc)) -eq (math 1 + (count $argv)); and __weft_in $argv
end

complete -c weft -n '__weft_at' -f
complete -c weft -n '__weft_at' -l version -d 'what this build is'
)";
  const auto verbs_at = [&](const CLI::App& at) {
    const std::string path = name_of(at);
    for (const CLI::App* verb : verbs_below(at))
      out += fmt::format("complete -c weft -n '__weft_at{}{}' -f -a {} -d {}\n", path.empty() ? "" : " ", path,
                         verb->get_name(), fish_quoted(verb->get_description()));
  };
  verbs_at(app);
  for (const CLI::App* verb : all_verbs_and_groups(app)) {
    verbs_at(*verb);
    if (!verbs_below(*verb).empty()) continue;
    for (const auto& [name, option] : named_options(*verb)) {
      const auto choices = choices_of(*option);
      const std::string value = is_flag(*option)   ? ""
                                : !choices.empty() ? fmt::format(" -x -a '{}'", fmt::join(choices, " "))
                                : is_path(*option) ? " -r -F"
                                                   : " -x";
      out += fmt::format("complete -c weft -n '__weft_in {}' -l {}{} -d {}\n", name_of(*verb), name.substr(2), value,
                         fish_quoted(option->get_description()));
    }
    for (const CLI::Option* option : verb->get_options())
      if (const auto choices = choices_of(*option); option->get_positional() && !choices.empty())
        out += fmt::format("complete -c weft -n '__weft_at {}' -f -a '{}'\n", name_of(*verb), fmt::join(choices, " "));
  }
  return out;
}

}  // namespace weft::apps
