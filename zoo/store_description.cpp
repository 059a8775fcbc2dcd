#include <algorithm>
#include <set>

#include "weft/core/hash.h"
#include "weft/io/csv.h"
#include "weft/io/gzip.h"
#include "weft/io/json.h"
#include "weft/zoo/store_format.h"

namespace weft {

HyperParameter HyperParameter::numbers(std::string name, std::string meaning, std::span<const double> values) {
  HyperParameter result{std::move(name), std::move(meaning), {}};
  for (double value : values) result.values.push_back(number_text(value));
  return result;
}

namespace zoo_format {
namespace {

/// The fields of a JSON object, checked one by one.
class Reader {
 public:
  Reader(const Json& json, const std::filesystem::path& path, std::string where)
      : json_(json), path_(path), where_(std::move(where)) {
    if (!json_.object()) fail(path_, "{} is no JSON object", where_);
  }

  const std::string& text(std::string_view key) const {
    if (const std::string* text = at(key).text()) return *text;
    refuse(key, "a string");
  }
  std::uint64_t natural(std::string_view key) const {
    if (const std::uint64_t* number = at(key).natural()) return *number;
    refuse(key, "a non-negative integer");
  }
  const Json::List& list(std::string_view key) const {
    if (const Json::List* items = at(key).list()) return *items;
    refuse(key, "an array");
  }
  const Json& at(std::string_view key) const {
    const Json* found = json_.find(key);
    if (!found) fail(path_, "{} has no '{}'", where_, key);
    return *found;
  }

 private:
  [[noreturn]] void refuse(std::string_view key, const char* allowed) const {
    const Json& value = at(key);
    fail(path_, "'{}' of {} is {}; allowed: {}", key, where_,
         value.object() ? "object"
         : value.list() ? "array"
                        : value.dump(),
         allowed);
  }

  const Json& json_;
  const std::filesystem::path& path_;
  std::string where_;
};

constexpr const char* allowed_views = "numbers that divide the networks";
bool divides(std::int64_t views, std::int64_t networks) { return views > 0 && networks % views == 0; }
bool inside(const ZooRange& part, std::int64_t networks) {
  return 0 <= part.first && part.first < part.end && part.end <= networks;
}

void check(const ZooDescription& d) {
  if (d.space.tensors().empty()) throw UsageError("[zoo] the space has no tensor");
  for (const SpaceTensor& t : d.space.tensors())
    if (t.name.starts_with("table."))
      throw UsageError("[zoo] the space has a tensor '{}'; names that begin with 'table.' are the table's", t.name);
  if (d.networks < 1 || d.networks >= index_end)
    throw UsageError("[zoo] {} networks; allowed: 1 to {}", d.networks, index_end - 1);
  if (d.views != 0 && !divides(d.views, d.networks))
    throw UsageError("[zoo] {} views of {} networks; allowed: {}", d.views, d.networks, allowed_views);
  if (d.part && !inside(*d.part, d.networks))
    throw UsageError("[zoo] a part from network {} to before {}; allowed: one or more of {}", d.part->first,
                     d.part->end, d.networks);
  for (const HyperParameter& h : d.hyper_parameters)
    if (static_cast<std::int64_t>(h.values.size()) != d.networks)
      throw UsageError("[zoo] hyper-parameter {}: {} values for {} networks", in_quotes(h.name), h.values.size(),
                       d.networks);
  if (d.checkpoints.size() > 255) throw UsageError("[zoo] {} checkpoints; allowed: up to 255", d.checkpoints.size());
  std::set<std::string_view> seen;
  const auto all = columns(d);
  for (const Column& c : all)
    if (!seen.insert(c.name).second) throw UsageError("[zoo] two columns of the table are named {}", in_quotes(c.name));
}

Json parse(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    return Json::parse({text, bytes.size()});
  } catch (const FormatError& error) {
    fail(path, "not JSON: {}", error.what());
  }
}

}  // namespace

std::vector<Column> columns(const ZooDescription& description) {
  std::vector<Column> all{{"id", "number of the checkpoint, in table and shards"},
                          {"network", "number of the network; its checkpoints share splits and hyper-parameters"},
                          {"epoch", "epochs trained"}};
  if (!description.checkpoints.empty())
    all.push_back({"checkpoint", "percent of the epochs, or best: of all epochs the best on held-out items"});
  for (std::size_t k = 0; k < ZooSplits{}.size(); ++k)
    all.push_back({fmt::format("split_{}", k), fmt::format("train, val or test: a seeded split 70/15/15 by {}",
                                                           description.views > 0 ? "image" : "network")});
  all.push_back({"diverged", "1: training ran to infinity, the weights are the last finite ones"});
  for (const Measure& m : measures(description)) all.push_back({std::string(m.name), std::string(m.meaning)});
  all.push_back({"seed", "seed of everything random in the zoo"});
  for (const HyperParameter& h : description.hyper_parameters) all.push_back({h.name, h.meaning});
  return all;
}

std::string hash_of_values(const std::vector<HyperParameter>& hyper_parameters) {
  Hash hash;
  for (const HyperParameter& h : hyper_parameters)
    for (const std::string& value : h.values) hash.add(fmt::format("{}:{},", value.size(), value));
  return fmt::format("{:016x}", hash.value());
}

std::string description_text(const ZooDescription& d) {
  check(d);
  Json::Object settings;
  for (const auto& [key, value] : d.settings) settings.emplace_back(key, value);
  Json::List all_columns;
  for (const Column& c : columns(d)) all_columns.push_back(Json::Object{{"name", c.name}, {"meaning", c.meaning}});
  Json::Object json{{"schema", schema},
                    {"generator", d.generator},
                    {"architecture", d.architecture},
                    {"activation", d.activation},
                    {"space", d.space.str()},
                    {"data", Json::Object{{"name", d.data_name}, {"hash", d.data_hash}}},
                    {"seed", d.seed},
                    {"networks", d.networks},
                    {"settings", std::move(settings)},
                    {"hyper_parameters_hash", hash_of_values(d.hyper_parameters)},
                    {"columns", std::move(all_columns)}};
  if (!d.checkpoints.empty()) json.emplace_back("checkpoints", Json::List(d.checkpoints.begin(), d.checkpoints.end()));
  if (d.views > 0) json.emplace_back("views", d.views);
  if (d.part) json.emplace_back("part", Json::Object{{"first", d.part->first}, {"end", d.part->end}});
  try {
    return Json(std::move(json)).dump(2) + "\n";
  } catch (const UsageError&) {
    throw UsageError("[zoo] the description holds text that is not UTF-8");
  }
}

ZooDescription read_description(const std::filesystem::path& path, std::string& values_hash) {
  const Json json = parse(path);
  const Reader top(json, path, "the file");
  if (const auto found = top.natural("schema"); found != schema)
    fail(path, "schema {}; this weft reads {}: use the version that wrote it ({})", found, schema,
         top.text("generator"));
  ZooDescription d;
  d.generator = top.text("generator");
  d.architecture = top.text("architecture");
  d.activation = top.text("activation");
  try {
    d.space = Space::parse(top.text("space"));
  } catch (const ParseError& error) {
    fail(path, "'space': {}", error.what());
  }
  const Reader data(top.at("data"), path, "'data'");
  d.data_name = data.text("name");
  d.data_hash = data.text("hash");
  d.seed = top.natural("seed");
  d.networks = static_cast<std::int64_t>(std::min<std::uint64_t>(top.natural("networks"), index_end));
  if (d.networks < 1 || d.networks >= index_end) fail(path, "{} networks; allowed: 1 to {}", d.networks, index_end - 1);
  const Reader settings(top.at("settings"), path, "'settings'");
  for (const auto& [key, value] : *top.at("settings").object()) d.settings[key] = settings.text(key);
  if (const Json* checkpoints = json.find("checkpoints"))
    for (const Json& name : top.list("checkpoints")) {
      if (!name.text() || d.checkpoints.size() == 255)
        fail(path, "'checkpoints' are {}; allowed: up to 255 strings", checkpoints->dump());
      d.checkpoints.push_back(*name.text());
    }
  if (json.find("views")) {
    d.views = static_cast<std::int64_t>(std::min<std::uint64_t>(top.natural("views"), index_end));
    if (!divides(d.views, d.networks))
      fail(path, "{} views of {} networks; allowed: {}", d.views, d.networks, allowed_views);
  }
  if (const Json* given = json.find("part")) {
    const Reader part(*given, path, "'part'");
    const auto number = [&](const char* key) {
      return static_cast<std::int64_t>(std::min<std::uint64_t>(part.natural(key), index_end));
    };
    d.part = ZooRange{number("first"), number("end")};
    if (!inside(*d.part, d.networks))
      fail(path, "'part' is {}; allowed: one or more of {} networks", given->dump(), d.networks);
  }
  values_hash = top.text("hyper_parameters_hash");

  std::vector<Column> found;
  for (const Json& column : top.list("columns")) {
    const Reader reader(column, path, fmt::format("column {}", found.size()));
    found.push_back({reader.text("name"), reader.text("meaning")});
  }
  const std::vector<Column> fixed = columns(d);
  for (std::size_t c = 0; c < fixed.size(); ++c)
    if (c >= found.size() || found[c].name != fixed[c].name)
      fail(path, "column {} is {}; schema {} has '{}' there", c,
           c < found.size() ? in_quotes(found[c].name) : "missing", schema, fixed[c].name);
  for (std::size_t c = fixed.size(); c < found.size(); ++c)
    d.hyper_parameters.push_back({std::move(found[c].name), std::move(found[c].meaning), {}});
  return d;
}

namespace {

/// Where two values differ first, as "/data/name is …", or nothing.
std::string difference(const Json& there, const Json& here, const std::string& place) {
  const auto shown = [](const Json* json) { return json ? json->dump() : std::string("missing"); };
  const auto step = [&](const Json* a, const Json* b, std::string_view name) {
    const std::string at = fmt::format("{}/{}", place, name);
    return a && b ? difference(*a, *b, at) : fmt::format("{} is {} there and {} here", at, shown(a), shown(b));
  };
  std::string found;
  if (there.object() && here.object()) {
    for (const auto& [key, value] : *here.object())
      if (found = step(there.find(key), &value, key); !found.empty()) return found;
    for (const auto& [key, value] : *there.object())
      if (!here.find(key)) return step(&value, nullptr, key);
    return {};
  }
  if (there.list() && here.list()) {
    const Json::List &a = *there.list(), &b = *here.list();
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i)
      if (found = step(i < a.size() ? &a[i] : nullptr, i < b.size() ? &b[i] : nullptr, std::to_string(i));
          !found.empty())
        return found;
    return {};
  }
  return there == here ? std::string() : fmt::format("{} is {} there and {} here", place, shown(&there), shown(&here));
}

}  // namespace

std::string first_difference(const std::string& there, const std::string& here) {
  Json before;
  try {
    before = Json::parse(there);
  } catch (const FormatError&) {
    return "the text there is not JSON";
  }
  return difference(before, Json::parse(here), "");
}

}  // namespace zoo_format
}  // namespace weft
