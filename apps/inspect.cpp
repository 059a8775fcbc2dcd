// weft inspect: what a file's network is: its architecture, its tensors' axes, its group.

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/zoo/describe_network.h"

namespace weft::apps {
namespace {

struct InspectOptions {
  std::string network;
  NetworkOptions reading;
  bool space = false;
};

/// "h.#.attn" of "h.11.attn": what layers have in common. Sizes of anonymous factors, fixed.3, stay.
std::string without_numbers(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '.' || out.ends_with("fixed.")) continue;
    const std::size_t end = std::min(text.find_first_not_of("0123456789", i + 1), text.size());
    if (end == i + 1) continue;
    out += '#';
    i = end - 1;
  }
  return out;
}

/// Lines of two columns, those of all layers as one with how many they are.
class Lines {
 public:
  /// `below` is the name of what the line is a part of.
  void add(const std::string& first, const std::string& second, const std::string& below = {}) {
    const Line common{without_numbers(first), without_numbers(second)};
    const auto [at, fresh] =
        index_.emplace(without_numbers(below) + ' ' + common.first + ' ' + common.second, lines_.size());
    if (fresh)
      lines_.push_back({{first, second}, common});
    else
      ++lines_[at->second].times;
  }
  void print() const {
    std::size_t width = 0;
    for (const Both& b : lines_) width = std::max(width, std::min<std::size_t>(b.common.first.size(), 60));
    for (const auto& [own, common, times] : lines_) {
      const Line& line = times == 1 ? own : common;
      fmt::print("  {:<{}}  {}{}\n", line.first, width, line.second, times == 1 ? "" : fmt::format("   x{}", times));
    }
  }

 private:
  struct Line {
    std::string first, second;
  };
  struct Both {
    Line own, common;
    int times = 1;
  };
  std::vector<Both> lines_;
  std::map<std::string, std::size_t> index_;
};

Json to_json(const NetworkSource& source) {
  Json json{{"file", utf8_text(source.file.file())}};
  json.update(Json::parse(describe(source).dump()));
  return json;
}

void print(const NetworkSource& source) {
  fmt::print("{}: {} in {}, {} tensors, {} parameters\n", source.file.file(),
             source.architecture.name.empty() ? "a network of its own space" : source.architecture.name,
             source.file.format(), source.file.tensors().size(), source.space().parameters());
  if (!source.architecture.told.empty()) {
    std::vector<std::string> told;
    for (const auto& [name, value] : source.architecture.told) told.push_back(name + " = " + value.dump());
    fmt::print("told by names and shapes: {}\n", fmt::join(told, ", "));
  }
  for (const std::string& note : source.architecture.files.text.notes) fmt::print("taken for granted: {}\n", note);
  fmt::print("tensors and their axes\n");
  Lines tensors;
  for (const EntryDescription& e : described_entries(source)) {
    std::string name = e.entry->indexed ? e.own : e.entry->names[0];
    for (const std::string& tie : e.entry->ties) name += " = " + tie;
    std::string what = fmt::format("{} {}", e.type, e.entry->shape.str());
    if (e.entry->constant) what += fmt::format("  {} in all places", *e.entry->constant);
    // The first window may have no label: of one alone, and of one with its sum beside it.
    const bool plain = !e.names.empty() && e.names[0] == space_name(e.own);
    tensors.add(name, plain ? what + "  " + e.axes[0] : what);
    for (std::size_t i = plain; i < e.names.size(); ++i)
      tensors.add("  " + e.names[i].substr(space_name(e.own).size()), e.axes[i], name);
  }
  tensors.print();
  fmt::print("factors of the group\n");
  Lines factors;
  for (int f = 0; f < std::ssize(source.space().factors()); ++f) {
    const Factor& factor = source.space().factors()[static_cast<std::size_t>(f)];
    const std::string per = factor.per.empty() ? "" : " per " + factor.per,
                      along = factor.along.empty() ? "" : " along " + factor.along;
    const std::int64_t copies = source.space().copies(f), own = source.space().dimension(f);
    const std::string what = fmt::format("{}({})", factor.kind->name, factor.size),
                      counts = fmt::format("{}{}", copies == 1 ? "" : fmt::format(", {} copies", copies),
                                           own == 0 ? "" : fmt::format(", dimension {}", own));
    factors.add(factor.name, what + per + along + counts);
  }
  factors.print();
  fmt::print("dimension of the group: {}\n", source.space().dimension());
  const std::vector<std::string> rest = uncovered(source.file, source.architecture.files);
  if (!rest.empty())
    fmt::print("not covered, carried along as it is: {}\n",
               listed(std::vector<std::string_view>(rest.begin(), rest.end())));
}

int inspect(const InspectOptions& o, const Common& common) {
  const NetworkSource source = open_network(o.network, reading(o.reading), common);
  for (int t = 0; t < std::ssize(source.space().tensors()); ++t) source.weight(t);  // whether it is whole
  if (o.space)
    fmt::print("{}\n", source.space().str());
  else if (common.json)
    fmt::print("{}\n", to_json(source).dump(1));
  else
    print(source);
  return exit_ok;
}

}  // namespace

void add_inspect(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(app, common, "inspect",
                            "Say what the network in a file is: its architecture, its tensors' axes, its group",
                            "  weft inspect model.safetensors\n"
                            "  weft inspect pytorch_model.bin --model-config config.json --json\n"
                            "  weft inspect model.safetensors --space > space.txt");
  auto o = std::make_shared<InspectOptions>();
  add_network(verb, o->network);
  verb.add_flag("--space", o->space, "print the text of its space, and nothing else");
  add_network_options(verb, o->reading, false);
  verb.callback([o, &common, &run] { run = [o, &common] { return inspect(*o, common); }; });
}

}  // namespace weft::apps
