#include "weft/apps/arguments.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "weft/apps/config.h"
#include "weft/core/error.h"

namespace weft::apps {
namespace {

/// Insertions, deletions, replacements and swaps of neighbours that make one word the other.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = std::exchange(last, now);
  }
  return last[b.size()];
}

/// As CLI11 sees it: -1 is a number, and so a value.
bool looks_like_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && !(word[1] >= '0' && word[1] <= '9') && word[1] != '.';
}

/// "weft zoo make", and "zoo make" for the brackets of a message.
std::string spelled(const CLI::App& verb) { return verb.get_parent() ? "weft " + name_of(verb) : "weft"; }
std::string who(const CLI::App& verb) { return verb.get_parent() ? name_of(verb) : "weft"; }

[[noreturn]] void refuse_verb(const CLI::App& before, const std::string* word) {
  std::vector<std::string> names;
  for (const CLI::App* v : verbs_below(before)) names.push_back(v->get_name());
  std::string allowed;
  for (const std::string& name : names) allowed += (allowed.empty() ? "" : ", ") + name;
  const std::string path = name_of(before);
  throw UsageError("[weft] {}{}{} allowed: {}; {} --help says more", path.empty() ? "" : path + ": ",
                   word ? fmt::format("no verb '{}'", *word) : "no verb given", word ? did_you_mean(*word, names) : ";",
                   allowed, spelled(before));
}

/// Reads the words behind a verb's name.
class Reader {
 public:
  Reader(const CLI::App& verb, const std::vector<std::string>& words) : verb_(verb), words_(words) {}

  std::vector<std::string> read(std::size_t at) {
    std::vector<std::string> main;
    for (at_ = at; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        main.insert(main.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, words_.end());
        break;
      }
      if (looks_like_option(word))
        take_option(word);
      else
        main.push_back(word);
    }
    place(main);
    for (const std::string& file : files_)
      for (const auto& [option, value] : options_of(file, verb_))
        if (!given_.contains(verb_.get_option_no_throw(option))) read_.push_back(option + "=" + value);
    return std::move(read_);
  }

 private:
  void take_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = verb_.get_option_no_throw(name);
    if (!option)
      throw UsageError("[{}] unknown option {}{} {} --help lists them", who(verb_), name,
                       did_you_mean(name, option_names(verb_)), spelled(verb_));
    given_.insert(option);
    std::vector<std::string> values;
    if (equals != std::string::npos) values.push_back(word.substr(equals + 1));
    const auto most = static_cast<std::size_t>(option->get_items_expected_max());
    while (equals == std::string::npos && values.size() < most && at_ + 1 < words_.size() &&
           !looks_like_option(words_[at_ + 1]))
      values.push_back(words_[++at_]);
    // CLI11 would take the next word that is read, whatever it is.
    if (values.empty() && option->get_items_expected_min() > 0)
      throw UsageError("[{}] {} without {}; {} --help says what it takes", who(verb_), name,
                       name == "--config" ? "a file" : "a value", spelled(verb_));
    if (name == "--config") {
      files_.insert(files_.end(), values.begin(), values.end());
    } else if (equals != std::string::npos) {
      read_.push_back(word);
    } else {
      read_.push_back(name);
      read_.insert(read_.end(), values.begin(), values.end());
    }
  }

  /// Main arguments go to the verb's places for them, in order; one that takes several takes all that are left.
  void place(const std::vector<std::string>& main) {
    std::size_t next = 0;
    for (const CLI::Option* option : verb_.get_options()) {
      if (!option->get_positional() || given_.contains(option)) continue;
      for (std::size_t taken = 0;
           next < main.size() && taken < static_cast<std::size_t>(option->get_items_expected_max()); ++taken, ++next) {
        const auto& names = option->get_lnames();
        read_.push_back(names.empty() ? main[next] : "--" + names[0] + "=" + main[next]);
        given_.insert(option);
      }
    }
    if (next == main.size()) return;
    throw UsageError("[{}] '{}' is one argument too many; {} --help says what it takes", who(verb_), main[next],
                     spelled(verb_));
  }

  const CLI::App& verb_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  std::vector<std::string> read_, files_;
  std::set<const CLI::Option*> given_;
};

}  // namespace

std::string name_of(const CLI::App& verb) {
  if (!verb.get_parent()) return "";
  const std::string before = name_of(*verb.get_parent());
  return before.empty() ? verb.get_name() : before + " " + verb.get_name();
}

std::vector<const CLI::App*> verbs_below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* verb) { return !verb->get_group().empty(); });
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : known) {
    // What was cut short is meant rather than what is as long: "--net" is "--network".
    const std::size_t away = name.starts_with(word) && word.size() > 3 ? 1 : distance(word, name);
    if (away < least) least = away, best = &name;
  }
  return best ? fmt::format("; did you mean {}?", *best) : ";";
}

std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

Arguments read_arguments(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  Arguments read{.verb = &app};
  for (std::size_t at = 0;; ++at) {
    const auto verbs = read.verb->get_subcommands([](const CLI::App*) { return true; });
    // Options such as --help may stand where a verb is to come.
    if (verbs.empty() || (at < words.size() && looks_like_option(words[at]))) {
      for (std::string& word : Reader(*read.verb, words).read(at)) read.words.push_back(std::move(word));
      return read;
    }
    const auto next = std::find_if(verbs.begin(), verbs.end(),
                                   [&](const CLI::App* v) { return at < words.size() && v->get_name() == words[at]; });
    if (next == verbs.end()) refuse_verb(*read.verb, at < words.size() ? &words[at] : nullptr);
    read.verb = *next;
    read.words.push_back(words[at]);
  }
}

}  // namespace weft::apps
