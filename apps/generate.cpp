// weft generate, which the build runs: files to be installed beside the program.

#include "weft/apps/generate.h"

#include <algorithm>
#include <filesystem>

#include "weft/apps/arguments.h"
#include "weft/apps/command.h"
#include "weft/apps/run_folder.h"

namespace weft::apps {

std::vector<const CLI::App*> all_verbs_and_groups(const CLI::App& app) {
  std::vector<const CLI::App*> all;
  for (const CLI::App* verb : verbs_below(app)) {
    all.push_back(verb);
    const auto below = all_verbs_and_groups(*verb);
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

std::vector<const CLI::App*> all_verbs(const CLI::App& app) {
  std::vector<const CLI::App*> all = all_verbs_and_groups(app);
  std::erase_if(all, [](const CLI::App* verb) { return !verbs_below(*verb).empty(); });
  return all;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();  // "TEXT:{cnn,vit,text}"
  const std::size_t begin = type.find('{'), end = type.find('}', begin);
  std::vector<std::string> choices;
  if (begin == std::string::npos || end == std::string::npos) return choices;
  for (std::size_t at = begin + 1; at < end;) {
    const std::size_t next = std::min(end, type.find(',', at));
    choices.push_back(type.substr(at, next - at));
    at = next + 1;
  }
  return choices;
}

bool is_flag(const CLI::Option& option) { return option.get_type_size() == 0; }

bool is_path(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type == "FILE" || type == "DIR" || type == "PATH";
}

void add_generate(CLI::App& app, Common&, Run& run) {
  CLI::App& verb = *app.add_subcommand("generate", "Write shell completion and man pages into a folder")->group("");
  const auto folder = std::make_shared<std::string>();
  verb.add_option("folder", *folder, "such as share")->required();
  verb.callback([&app, folder, &run] {
    run = [&app, folder] {
      const auto write = [&](const std::string& name, const std::string& text) {
        const std::filesystem::path file = std::filesystem::path(*folder) / name;
        std::filesystem::create_directories(file.parent_path());
        write_text(file, text);
      };
      write("bash-completion/completions/weft", bash_completion(app));
      write("zsh/site-functions/_weft", zsh_completion(app));
      write("fish/vendor_completions.d/weft.fish", fish_completion(app));
      write("man/man1/weft.1", man_page(app));
      for (const CLI::App* of : all_verbs(app)) {
        std::string name = "weft " + name_of(*of) + ".1";
        std::replace(name.begin(), name.end(), ' ', '-');
        write("man/man1/" + name, man_page_of(*of));
      }
      return exit_ok;
    };
  });
}

}  // namespace weft::apps
