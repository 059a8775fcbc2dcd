// Man pages.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/arguments.h"
#include "weft/apps/generate.h"
#include "weft/apps/help.h"

namespace weft::apps {
namespace {

/// Text for roff: every line as it is.
std::string roff(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '.' || text[i] == '\'') && (i == 0 || text[i - 1] == '\n')) out += "\\&";
    if (text[i] == '\\')
      out += "\\e";
    else if (text[i] == '-')
      out += "\\-";
    else
      out += text[i];
  }
  return out;
}

/// Lines of a text as lines of a page.
std::string lines(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\n.br\n") : std::string(1, c);
  return out;
}

std::string page_name(const CLI::App& verb) {
  std::string name = "weft " + name_of(verb);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string head(std::string name, const std::string& what) {
  std::string title = name;
  for (char& c : title) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return fmt::format(".TH {} 1 \"\" \"weft " WEFT_VERSION "\" \"weft\"\n.SH NAME\n{} \\- {}\n", roff(title), roff(name),
                     roff(what));
}

/// What stands for an option's value: FILE, or the texts that it takes, where they are few.
std::string placeholder_of(const CLI::Option& option) {
  if (is_flag(option)) return "";
  if (const auto all = choices_of(option); !all.empty() && choices_are_few(option))
    return fmt::format("{}", fmt::join(all, "|"));
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::string entry(const CLI::Option& option) {
  std::string name = option.get_lnames().empty() ? option.get_single_name() : "--" + option.get_lnames()[0];
  std::string out = fmt::format(".TP\n\\fB{}\\fR", roff(name));
  if (const std::string value = placeholder_of(option); !value.empty()) out += fmt::format(" \\fI{}\\fR", roff(value));
  out += "\n" + lines(roff(description_of(option)));
  if (option.get_required()) out += " (must be given)";
  if (const std::string usual = option.get_default_str(); !is_flag(option) && !usual.empty())
    out += fmt::format(" (default: {})", roff(usual));
  return out + "\n";
}

std::string section(const std::string& title, const std::string& text) {
  return fmt::format(".SH {}\n.nf\n{}\n.fi\n", title, roff(text));
}

}  // namespace

std::string man_page(const CLI::App& app) {
  const std::string text = app.get_description();
  const std::size_t line = text.find('\n');
  std::string out = head("weft", text.substr(text.find(": ") + 2, line - text.find(": ") - 2));
  out += ".SH SYNOPSIS\n.B weft\n.I VERB\n[options]\n.SH DESCRIPTION\n" + roff(text.substr(line + 1)) + "\n.SH VERBS\n";
  for (const CLI::App* verb : all_verbs(app))
    out += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", roff(page_name(*verb)), roff(verb->get_description()));
  out += section("EXAMPLES AND EXIT CODES", app.get_footer());
  return out +
         ".SH ENVIRONMENT\n"
         ".TP\n\\fBWEFT_THREADS\\fR\nthreads of weft's loops, where \\-\\-threads is not given\n"
         ".TP\n\\fBWEFT_CPU\\fR\nportable, avx2 or avx512: at most this instruction set\n"
         ".TP\n\\fBWEFT_DEVICE\\fR\nwhat \\-\\-device is when it is not given\n"
         ".TP\n\\fBNO_COLOR\\fR\nno colour, on terminals too\n";
}

std::string man_page_of(const CLI::App& verb) {
  std::string out = head(page_name(verb), verb.get_description());
  out += fmt::format(".SH SYNOPSIS\n.B weft {}\n", roff(name_of(verb)));
  std::vector<std::string> groups;
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_positional()) out += fmt::format(".I {}\n", roff(option->get_single_name()));
    const std::string& group = option->get_group();
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  out += "[options]\n";
  for (const std::string& group : groups) {
    out += fmt::format(".SH {}\n", roff(group));
    for (const CLI::Option* option : verb.get_options())
      if (option->get_group() == group) out += entry(*option);
  }
  return out + section("EXAMPLES", verb.get_footer()) + ".SH SEE ALSO\n.BR weft (1)\n";
}

}  // namespace weft::apps
