"""The plain parts that the docks are put together from: a titled section, and text that wraps and can be copied."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

GAP_PX = 6
BREAK = "\u200b"


def wrapped_label(text: str = "", *, role: str = "") -> QLabel:
    """Plain text that wraps at the dock's width and can be selected with mouse or keyboard.

    Parameters
    ----------
    text : str
        Shown as it is; never read as markup, since it may come from a model.
    role : str
        "error", "strong", "quiet" or "" for ordinary text.
    """
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    # A label that can be selected would otherwise catch the Tab key between the controls.
    label.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    style_as(label, role)
    return label


def style_as(label: QLabel, role: str) -> None:
    """Give a label its weight or colour; colours hold their contrast on napari's dark and light themes."""
    styles = {
        "error": "color: #1a1a1a; background-color: #ffb4a8; border-radius: 3px; padding: 5px;",
        "notice": "color: #1a1a1a; background-color: #ffd666; border-radius: 3px; padding: 5px;",
        "strong": "font-weight: bold; font-size: 15px;",
        "title": "font-weight: bold;",
        "quiet": "font-size: 12px;",
        "": "",
    }
    label.setStyleSheet(styles[role])


def breakable(text: str) -> str:
    """The same text with places where a long path may wrap."""
    for mark in ("/", "\\", "_", "-"):
        text = text.replace(mark, mark + BREAK)
    return text


class Section(QWidget):
    """A titled block of the dock.

    Parameters
    ----------
    title : str
        Shown above, in bold; also the accessible name.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(title)
        self.title = wrapped_label(title, role="title")
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(GAP_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, GAP_PX, 0, GAP_PX)
        layout.setSpacing(GAP_PX // 2)
        layout.addWidget(self.title)
        layout.addLayout(self.body)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def add_text(self, *, role: str = "") -> QLabel:
        """A line that is hidden while it has nothing to say; set it with `say`."""
        label = wrapped_label(role=role)
        label.hide()
        self.body.addWidget(label)
        return label


class Column(QWidget):
    """The sections one below the other, as high as their text needs at the width that there is.

    Without this a scroll area adds up what every wrapped text would need in the narrowest dock, and scrolls on into
    nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sections = QVBoxLayout(self)
        self.sections.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, GAP_PX)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The width is a minimum, the height follows from it."""
        return QSize(super().minimumSizeHint().width(), 0)


def say(label: QLabel, text: str) -> None:
    """Set a label's text; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))
