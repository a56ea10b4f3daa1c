"""Which model describes the evidence in its own words, beside what is measured; and where tiles would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from napari_mmlnb.describe.address import check_address, is_this_machine, recorded_address
from napari_mmlnb.describe.sending import is_unencrypted, sent_to
from napari_mmlnb.errors import RequestError
from napari_mmlnb.viewer.describer_choice import FOLDER, MEASURED, OWN, SERVER, DescriberChoice
from napari_mmlnb.viewer.describer_folder import DescriberFolder
from napari_mmlnb.viewer.section import Section, say, wrapped_label

if TYPE_CHECKING:
    from napari_mmlnb.bundles.registry import BundleFacts
    from napari_mmlnb.describe.base import DescriberFacts

EXAMPLE = "http://127.0.0.1:8000/v1"
ONLY_MEASURED = "Measured findings alone"
NO_WORDS = "No model is asked; the findings are measured on the tiles."
LABELS = {SERVER: "A server (OpenAI-compatible)", FOLDER: "A folder…"}
STAYS = "The server is on this machine; tiles do not leave it."


class DescriberBox(Section):
    """Chooser of the describing model; an address and a consent where it is a server, or a folder.

    What is not on this machine is shown, but cannot be chosen: the hint over it has the command that fetches it.

    Signals
    -------
    changed
        Another choice was made, or became complete.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Description in words", parent)
        self._describers: tuple[DescriberFacts, ...] = ()
        self._bundle: BundleFacts | None = None
        self._wanted: str | None = None
        self._slide: object = None
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Describing model")
        self.chooser.setToolTip("What describes the evidence in its own words; the class does not rest on it")
        self.chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.chooser.setMinimumContentsLength(8)
        self.chooser.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body.addWidget(self.chooser)
        self.facts = self.add_text(role="quiet")
        self._add_server()
        self.folder = DescriberFolder()
        self.folder.changed.connect(self._tell)
        self.body.addWidget(self.folder)
        self.chooser.currentIndexChanged.connect(self._on_chosen)
        self.hide()

    def set_describers(self, describers: Sequence[DescriberFacts]) -> None:
        """What there is to choose from."""
        self._describers = tuple(describers)
        self._fill()

    def set_bundle(self, bundle: BundleFacts | None) -> None:
        """The bundle that answers: it may have a model of its own, or rest on a describer's words."""
        self._bundle = bundle
        self._fill()

    def set_slide(self, slide: object) -> None:
        """The slide that is worked on: a consent to send its tiles was given for it, and not for another one."""
        if slide is not self._slide:
            self._slide = slide
            self.consent.setChecked(False)

    @property
    def choice(self) -> DescriberChoice:
        """What was chosen."""
        name = self.chooser.currentData()
        if name == SERVER:
            return DescriberChoice(
                server=self.address.text().strip(),
                server_model=self.server_model.text().strip(),
                may_send=self.consent.isVisibleTo(self) and self.consent.isChecked(),
            )
        if name == FOLDER:
            return DescriberChoice(describer=str(self.folder.path))
        return DescriberChoice(describer=name)

    @property
    def problem(self) -> str:
        """What is still missing before a run; empty where nothing is."""
        if self.chooser.currentData() == FOLDER:
            return self.folder.problem
        if self.chooser.currentData() != SERVER:
            return ""
        choice = self.choice
        if not choice.server:
            return "Give the address of the server."
        try:
            check_address(choice.server, may_send=True)
        except RequestError as error:
            return str(error)
        if not choice.may_send and not is_this_machine(choice.server):
            return "Tiles may be sent there only with your consent."
        return ""

    def _add_server(self) -> None:
        self.server = QWidget()
        column = QVBoxLayout(self.server)
        column.setContentsMargins(0, 0, 0, 0)
        self.address = QLineEdit()
        self.address.setPlaceholderText(EXAMPLE)
        self.address.setAccessibleName("Address of the server")
        self.server_model = QLineEdit()
        self.server_model.setPlaceholderText("Model that the server is asked for")
        self.server_model.setAccessibleName("Model that the server is asked for")
        self.sends = wrapped_label()
        self.consent = QCheckBox("The evidence tiles of this slide may be sent there")
        self.missing = wrapped_label(role="quiet")
        for part in (self.address, self.server_model, self.sends, self.consent, self.missing):
            column.addWidget(part)
        self.body.addWidget(self.server)
        self.address.textChanged.connect(self._on_address)
        self.server_model.textChanged.connect(self.changed)
        self.consent.toggled.connect(self._tell)

    def _fill(self) -> None:
        self.chooser.blockSignals(True)
        self.chooser.clear()
        for name, label in self._entries():
            self.chooser.addItem(label, name)
        self._close_what_is_not_here()
        # What a person has chosen outlives another bundle; else the first is taken: the bundle's own model, if any.
        self.chooser.setCurrentIndex(max(self.chooser.findData(self._wanted), 0))
        self.chooser.blockSignals(False)
        self.setVisible(self.chooser.count() > 1)
        self._tell()

    def _close_what_is_not_here(self) -> None:
        needs = {facts.name: facts.needs for facts in self._describers if facts.needs}
        for row in range(self.chooser.count()):
            need = needs.get(self.chooser.itemData(row))
            if need:
                self.chooser.model().item(row).setEnabled(False)
                self.chooser.setItemData(row, need, Qt.ItemDataRole.ToolTipRole)

    def _entries(self) -> list[tuple[str, str]]:
        bundle = self._bundle
        if bundle is not None and bundle.describer != MEASURED:
            return [(bundle.describer, f"{bundle.describer}: the class rests on its words")]
        own = [(OWN, f"The model’s own: {bundle.own_describer}")] if bundle is not None and bundle.own_describer else []
        others = [
            (facts.name, LABELS.get(facts.name, facts.name) + (" (not here)" if facts.needs else ""))
            for facts in self._describers
            if facts.name not in {OWN, MEASURED}
        ]
        return [*own, (MEASURED, ONLY_MEASURED), *others]

    def _on_chosen(self) -> None:
        self._wanted = self.chooser.currentData()
        self._tell()

    def _on_address(self) -> None:
        # A consent was given for an address, and not for another one.
        self.consent.setChecked(False)
        self._tell()

    def _tell(self) -> None:
        name = self.chooser.currentData()
        self.server.setVisible(name == SERVER)
        self.folder.setVisible(name == FOLDER)
        say(self.facts, self._about(name))
        self._tell_of_server()
        self.changed.emit()

    def _about(self, name: str | None) -> str:
        if name == MEASURED:
            return NO_WORDS
        if name == OWN and self._bundle is not None:
            return (
                f"Licence: {self._bundle.own_licence}. Its words can be wrong; they are held against what is measured."
            )
        facts = next((f for f in self._describers if f.name == name), None)
        if facts is None:
            return ""
        licence = f" Licence: {facts.licence}." if facts.licence else ""
        extra = f" Needs napari-mmlnb[{facts.extra}]." if facts.extra else ""
        return f"{facts.summary}{licence}{extra}"

    def _tell_of_server(self) -> None:
        address = self.address.text().strip()
        here, shown = False, ""
        try:
            here, shown = is_this_machine(address), recorded_address(address)
        except RequestError:
            shown = ""
        readable = ": they can be read on their way" if is_unencrypted(shown) else ""
        say(self.sends, STAYS if here else f"Tiles are sent to {sent_to(shown)}{readable}." if shown else "")
        self.consent.setVisible(bool(shown) and not here)
        say(self.missing, self.problem)
